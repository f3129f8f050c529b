"""Settings of cards: what only people know of a dataset."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Identifiers that the hub knows, as far as texts have them; `other` takes a name and an address beside it.
LICENSES = ("apache-2.0", "cc", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-4.0",
            "cc-by-nc-sa-4.0", "cc0-1.0", "gfdl", "mit", "odc-by", "odbl", "other", "pddl", "unknown")


@dataclass(frozen=True)
class CardSettings:
    """The section `card` of settings.yaml: stated in every card and in Croissant metadata, and never read by a stage."""

    name: str = "curated-text"
    description: str | None = None
    license: str = "unknown"
    license_name: str | None = None
    license_link: str | None = None
    creator: str | None = None
    contact: str | None = None
    published: str | None = None
    homepage: str | None = None

    def problems(self) -> Iterator[str]:
        """A sentence for each value that cannot be."""
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", self.name):
            yield f"name is {self.name!r}; use letters, digits, `-`, `_` and `.`"
        if self.license not in LICENSES:
            yield f"license is {self.license!r}; name one of {', '.join(LICENSES)}"
        if self.license == "other" and not self.license_name:
            yield "license is other, which needs a license_name"
        if self.published is not None and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", self.published):
            yield f"published is {self.published!r}; write the day as YYYY-MM-DD"
        for key in ("license_link", "homepage"):
            value = getattr(self, key)
            if value is not None and not value.startswith(("https://", "http://")):
                yield f"{key} is {value!r}; give an address that begins with https://"
