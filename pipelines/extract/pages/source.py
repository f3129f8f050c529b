"""The source of a page before it is parsed: what of it can be markup, found by position in one pass.

Contents of scripts and styles, and comments, hold no tags for any parser, however much in them looks like some.
"""

import re

# A tag is stepped over up to its end, past quoted values: what stands in them begins nothing.
_BEGINNING = re.compile(r"""<(?:(?P<comment>!--)|(?:(?P<raw>script|style)(?=[\s/>])|[a-z/])(?>[^>"']+|"[^"]*"|'[^']*')*+>?)""",
                        re.I)
_ENDS = {"comment": re.compile("--!?>"), "script": re.compile(r"</script(?=[\s/>])", re.I),
         "style": re.compile(r"</style(?=[\s/>])", re.I)}


def markup(source: str) -> str:
    """The source without comments and without what scripts and styles contain; what is not closed stays."""
    kept, at, place = [], 0, 0
    unclosed: set[str] = set()
    while begins := _BEGINNING.search(source, place):
        place = begins.end()
        kind = "comment" if begins["comment"] else (begins["raw"] or "").lower()
        if not kind or kind in unclosed:
            continue
        end = _ENDS[kind].search(source, place)
        if end is None:
            unclosed.add(kind)
            continue
        kept.append(source[at:begins.start() if kind == "comment" else place])
        at = place = end.end() if kind == "comment" else end.start()
    return "".join([*kept, source[at:]])
