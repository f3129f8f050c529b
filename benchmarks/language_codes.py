"""What the labels of SIB-200 and of the UDHR files are called by lid.176, which mixes ISO 639-1 with ISO 639-3, and by CLD2.

A label that is not here, and whose first part lid.176 does not know as it stands, is a language the model cannot say.
"""

# ISO 639-3, as the labels begin, to the model's code. Individual languages under the code of their macrolanguage where
# Wikipedia, which the model learned from, writes them so (arb as ar, plt as mg); other dialects are languages of their own.
_PAIRS = """
afr=af amh=am arb=ar asm=as ava=av azj=az bak=ba bel=be bul=bg ben=bn bod=bo bre=br bos=bs cat=ca che=ce cos=co
ces=cs chv=cv cym=cy dan=da deu=de div=dv ell=el eng=en epo=eo spa=es est=et eus=eu pes=fa fin=fi fra=fr fry=fy
fri=fy gle=ga gla=gd glg=gl grn=gn gug=gn guj=gu glv=gv heb=he hin=hi hrv=hr hat=ht hun=hu hye=hy ina=ia ind=id
ido=io isl=is ita=it jpn=ja jav=jv kat=ka kaz=kk khm=km kan=kn kor=ko kmr=ku cor=kw kir=ky lat=la ltz=lb lim=li
lao=lo lit=lt lvs=lv lav=lv plt=mg mkd=mk mal=ml khk=mn mar=mr zsm=ms mlt=mt mya=my npi=ne nep=ne nld=nl nno=nn
nob=no oci=oc lnc=oc prv=oc ory=or oss=os pan=pa pol=pl pbt=ps pbu=ps por=pt quy=qu quz=qu roh=rm ron=ro rus=ru
san=sa srd=sc src=sc snd=sd sin=si slk=sk slv=sl som=so sqi=sq aln=sq srp=sr sun=su swe=sv swh=sw tam=ta tel=te
tgk=tg tha=th tuk=tk tgl=tl tur=tr tat=tt uig=ug ukr=uk urd=ur uzn=uz vie=vi wln=wa ydd=yi yor=yo cmn=zh zho=zh
yue=yue
"""
CODES = dict(pair.split("=") for pair in _PAIRS.split())
# Languages that lid.176 does not have, by their labels in SIB-200 and CLD2's codes.
_CLD2_ONLY = """
hau=ha kin=rw zul=zu lug=lg lin=ln gaz=om xho=xh sna=sn nya=ny ibo=ig sot=st nso=nso tsn=tn tso=ts ssw=ss smo=sm mri=mi
tir=ti run=rn fij=fj twi=ak aka=ak wol=wo sag=sg dzo=dz ayr=ay fao=fo
"""
CLD2_CODES = dict(pair.split("=") for pair in _CLD2_ONLY.split())
# Where the three letters mean one language to SIB-200 and another to lid.176 (als: Tosk Albanian there, Alemannic here).
_BY_ORIGIN = {("sib200", "als"): "sq", ("udhr2", "als"): "sq", ("udhr2", "nds"): "nds"}


def model_code(label: str, origin: str, known: frozenset[str]) -> str | None:
    """The model's code for a label such as `deu_Latn` or `deu_1996`; None where the model has no such language."""
    first = label.partition("_")[0]
    code = _BY_ORIGIN.get((origin, first)) or CODES.get(first) or first
    return code if code in known else None
