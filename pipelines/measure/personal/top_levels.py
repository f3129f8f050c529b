"""Top-level domains: those that most addresses have, and the internationalised ones (IANA's root zone, RFC 5890).

Where there is no other sign of an address than its shape, its end says that it is one.
"""

import phonenumbers

TOP_LEVELS = frozenset((
    *(region.lower() for region in phonenumbers.SUPPORTED_REGIONS), "com", "org", "net", "info", "biz", "edu", "gov", "mil",
    "int", "name", "pro", "eu", "uk", "app", "dev", "xyz", "online", "shop", "site", "email", "club", "cat", "example",
    "test"))
# Of scripts with spaces between words, and of those without; the last of each are IANA's names for tests.
SPACED, UNSPACED = (ends.split() for ends in (
    """გე հայ бел бг мкд мон рф срб укр қаз ею ελ ευ рус москва дети онлайн сайт орг ком католик 한국 닷컴 닷넷 삼성
ישראל קום كوم مصر قطر عمان عراق ایران تونس المغرب الجزائر الاردن البحرين فلسطين السعودية سوريا سودان اليمن
امارات موريتانيا مليسيا پاکستان بھارت بارت ڀارت عرب بازار شبكة موقع همراه ابوظبي اتصالات ارامكو العليان بيتك موبايلي
كاثوليك भारत भारतम् भारोत संगठन नेट कॉम ভারত ভাৰত বাংলা ਭਾਰਤ ભારત ଭାରତ இந்தியா இலங்கை சிங்கப்பூர் భారత్ ಭಾರತ ഭാരതം ලංකා
إختبار آزمایشی δοκιμή испытание परीक्षा טעסט பரிட்சை 테스트""",
    """中国 中國 香港 台湾 台灣 澳門 新加坡 公司 网络 網絡 网址 网站 网店 在线 中文网 商城 商店 商标 集团 企业 娱乐
游戏 我爱你 移动 信息 时尚 机构 组织机构 政府 政务 公益 世界 手机 广东 佛山 慈善 招聘 健康 食品 餐厅 购物 广告 大拿
点看 联通 八卦 嘉里 电讯盈科 天主教 通販 みんな コム ストア セール ファッション クラウド ポイント グーグル アマゾン
家電 書籍 ไทย คอม ລາວ 测试 測試 テスト"""))
