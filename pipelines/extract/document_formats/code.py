"""Source code: the text as it is, with the language that its file's name says."""

from textmill.pipelines.extract.document_formats.document import Document, document, plain_text
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings

# Names of languages as GitHub's Linguist has them, by endings of files that mean one language only.
LANGUAGES = {
    "adb": "Ada", "adoc": "AsciiDoc", "ads": "Ada", "agda": "Agda", "asm": "Assembly", "awk": "Awk", "bash": "Shell",
    "bat": "Batchfile", "bib": "BibTeX", "c": "C", "cc": "C++", "cfg": "INI", "clj": "Clojure", "cljs": "Clojure",
    "cmake": "CMake", "cmd": "Batchfile", "coffee": "CoffeeScript", "cpp": "C++", "cr": "Crystal", "cs": "C#", "css": "CSS",
    "cu": "Cuda", "cuh": "Cuda", "cxx": "C++", "d": "D", "dart": "Dart", "el": "Emacs Lisp", "elm": "Elm", "erl": "Erlang",
    "ex": "Elixir", "exs": "Elixir", "f": "Fortran", "f90": "Fortran", "fish": "fish", "fs": "F#", "go": "Go",
    "gradle": "Gradle", "graphql": "GraphQL", "groovy": "Groovy", "h": "C", "hh": "C++", "hpp": "C++", "hs": "Haskell",
    "hxx": "C++", "ini": "INI", "java": "Java", "jl": "Julia", "js": "JavaScript", "jsx": "JavaScript", "kt": "Kotlin",
    "kts": "Kotlin", "lean": "Lean", "less": "Less", "lhs": "Literate Haskell", "lisp": "Common Lisp", "lua": "Lua",
    "m": "Objective-C", "mjs": "JavaScript", "mk": "Makefile", "ml": "OCaml", "mli": "OCaml", "nim": "Nim", "nix": "Nix",
    "org": "Org", "pas": "Pascal", "php": "PHP", "pl": "Perl", "pm": "Perl", "proto": "Protocol Buffer",
    "ps1": "PowerShell", "py": "Python", "pyi": "Python", "pyx": "Cython", "r": "R", "rb": "Ruby", "rkt": "Racket",
    "rs": "Rust", "s": "Assembly", "sass": "Sass", "scala": "Scala", "scm": "Scheme", "scss": "SCSS", "sh": "Shell",
    "sol": "Solidity", "sql": "SQL", "sv": "SystemVerilog", "swift": "Swift", "tcl": "Tcl", "tex": "TeX", "tf": "HCL",
    "toml": "TOML", "ts": "TypeScript", "tsx": "TSX", "v": "Verilog", "vb": "Visual Basic .NET", "vhd": "VHDL",
    "vhdl": "VHDL", "vim": "Vim Script", "vue": "Vue", "yaml": "YAML", "yml": "YAML", "zig": "Zig", "zsh": "Shell"}
NAMES = {"makefile": "Makefile", "gnumakefile": "Makefile", "dockerfile": "Dockerfile", "cmakelists.txt": "CMake",
         "rakefile": "Ruby", "gemfile": "Ruby"}


def read(body: bytes, ending: str, limits: ExtractSettings) -> Document:
    """The file's text; `extra` says that it is code, and in which language."""
    decoded = plain_text(body, limits)
    if isinstance(decoded, Refusal):
        return decoded
    return document(decoded.text, decoded=decoded, kind="code", language=LANGUAGES.get(ending) or NAMES.get(ending))
