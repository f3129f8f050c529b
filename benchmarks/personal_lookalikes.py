"""What only looks like personal data: books, orders, versions, hashes, sums, code, and items whose check fails."""

import hashlib
import random
import uuid

from stdnum import ean, isbn, issn

from benchmarks.personal_items import (
    NATIONAL_IDS,
    Make,
    base58check,
    bech32,
    belgian,
    card,
    card_number,
    digits,
    grouped,
    iban,
    italian,
    personnummer,
    rrn,
    snils,
    spanish,
)


def broken(make: Make, digit_only: bool = True) -> Make:
    """The item with one digit changed, so that its check fails."""

    def made(seeded: random.Random, country: str) -> str:
        item = make(seeded, country)
        places = [n for n, c in enumerate(item) if (c.isdecimal() if digit_only else c.isalnum()) and n > 5]
        at = places[len(places) // 2]
        other = str((int(item[at]) + 1) % 10) if item[at].isdecimal() else ("q" if item[at] != "q" else "p")
        return item[:at] + other + item[at + 1 :]

    return made


def _date(r: random.Random, c: str) -> str:
    y, m, d = r.randint(1950, 2026), r.randint(1, 12), r.randint(1, 28)
    return r.choice(
        [
            f"{y}-{m:02d}-{d:02d}",
            f"{d:02d}.{m:02d}.{y}",
            f"{m:02d}/{d:02d}/{y}",
            f"{y}/{m:02d}/{d:02d} {r.randint(10, 23)}:{r.randint(10, 59)}:00",
            f"{d}.{m}.{y % 100:02d}",
            f"{y}{m:02d}{d:02d}-{r.randint(100000, 235959)}",
            f"{y}年{m}月{d}日",
            f"{y}-{m:02d}-{d:02d}T{r.randint(10, 23)}:05:33.123Z",
        ]
    )


def _isbn13(r: random.Random) -> str:
    body = "978" + digits(r, 9)
    return isbn.format(body + ean.calc_check_digit(body))


LOOKALIKES: dict[str, Make] = {
    "isbn": lambda r, c: r.choice([_isbn13(r), isbn.format(isbn.to_isbn10(_isbn13(r).replace("-", "")))]),
    "issn": lambda r, c: (body := digits(r, 7))[:4] + "-" + body[4:] + issn.calc_check_digit(body),
    "doi": lambda r, c: f"10.{r.randint(1000, 9999)}/{r.choice(['s', 'j.cell.', 'ajae/'])}{digits(r, 8)}",
    "order": lambda r, c: r.choice(
        [
            digits(r, 10),
            grouped(digits(r, 16), 4),
            grouped(digits(r, 12), 3, by="-"),
            card_number(r),
            "0" + digits(r, 9),
            f"{digits(r, 3)}-{digits(r, 7)}-{digits(r, 7)}",
        ]
    ),
    "date": _date,
    "version": lambda r, c: f"{r.randint(1, 12)}.{r.randint(0, 30)}.{r.randint(0, 9)}.{r.choice([1, 12, 339, 1021])}",
    "long version": lambda r, c: f"{r.randint(60, 140)}.0.{r.randint(1000, 6999)}.{r.randint(10, 200)}",
    "ean": lambda r, c: (body := "40" + digits(r, 10)) + ean.calc_check_digit(body),
    "parcel": lambda r, c: r.choice(["00" + digits(r, 18), "1Z" + digits(r, 16), digits(r, 14), "RR" + digits(r, 9) + "DE"]),
    "hash": lambda r, c: r.choice(
        [
            hashlib.sha1(r.randbytes(8)).hexdigest(),
            hashlib.md5(r.randbytes(8)).hexdigest(),
            str(uuid.UUID(bytes=r.randbytes(16), version=4)),
            hashlib.sha256(r.randbytes(8)).hexdigest(),
        ]
    ),
    "coordinates": lambda r, c: f"{r.uniform(-80, 80):.{r.choice([4, 6, 8])}f}, {r.uniform(-170, 170):.{r.choice([4, 6])}f}",
    "decimals": lambda r, c: r.choice(
        [
            f"3.14159265{digits(r, 8)}",
            f"0.{digits(r, 14)}",
            f"{digits(r, 3)}.{digits(r, 9)}e{r.randint(2, 30)}",
            f"1.{digits(r, 3)}.{digits(r, 3)},{digits(r, 2)}",
        ]
    ),
    "sequence": lambda r, c: (
        ", ".join(str(r.randint(1, 9999)) for _ in range(9))
        if r.random() < 0.5
        else " ".join(str(2**n) for n in range(r.randint(4, 6), 20))
    ),
    "table row": lambda r, c: (
        " | ".join(f"{r.randint(10, 999)} {r.randint(100, 999)}" for _ in range(4))
        if r.random() < 0.5
        else "  ".join(digits(r, 4) for _ in range(6))
    ),
    "amount": lambda r, c: r.choice(
        [
            f"{r.randint(1, 9)} {r.randint(100, 999)} {r.randint(100, 999)}",
            f"{r.randint(1, 9)},{r.randint(100, 999)},{r.randint(100, 999)}.00",
            f"{r.randint(1, 9)}.{r.randint(100, 999)}.{r.randint(100, 999)},50",
            f"{r.randint(100, 999)} {r.randint(100, 999)} {r.randint(100, 999)}",
        ]
    ),
    "years": lambda r, c: r.choice(["1914-1918", "1998–2003, 2005–2010", "2019/2020", "1750 - 1827", "(1889–1976)"]),
    "constant": lambda r, c: r.choice(
        [
            "2147483647",
            "4294967296",
            "1000000007",
            "0xDEADBEEF",
            "1700000000000",
            "0x7fff5fbff8c0",
            "18446744073709551615",
            "-9223372036854775808",
            "1e-9",
        ]
    ),
    "law": lambda r, c: r.choice(
        [
            f"§ {r.randint(100, 900)} Abs. {r.randint(1, 9)}",
            f"Az. {r.randint(1, 30)} O {r.randint(100, 900)}/24",
            f"Art. 1240-{r.randint(1, 9)}",
            f"HRB {digits(r, 6)}",
            f"DE{digits(r, 9)}",
            f"US {r.randint(5, 9)},{digits(r, 3)},{digits(r, 3)}",
        ]
    ),
    "cas": lambda r, c: f"{digits(r, 5)}-{digits(r, 2)}-{digits(r, 1)}",
    "private ip": lambda r, c: r.choice(
        [
            f"192.168.{r.randint(0, 254)}.{r.randint(1, 254)}",
            f"10.{r.randint(0, 254)}.{r.randint(0, 254)}.{r.randint(1, 254)}",
            f"172.{r.randint(16, 31)}.4.{r.randint(1, 254)}",
            "127.0.0.1",
            f"203.0.113.{r.randint(1, 254)}",
            f"198.51.100.{r.randint(1, 254)}",
            "fe80::1",
            "::1",
            f"169.254.{r.randint(1, 254)}.9",
            f"2001:db8::{r.randint(1, 999):x}",
            "255.255.255.0",
            f"fd12:3456:789a::{r.randint(1, 99)}",
        ]
    ),
    "section": lambda r, c: r.choice(
        [
            f"{r.randint(1, 9)}.{r.randint(1, 9)}.{r.randint(1, 9)}.{r.randint(1, 9)}",
            f"1.3.6.1.4.1.{r.randint(100, 999)}.{r.randint(1, 9)}",
            f"{r.randint(1, 12)}.{r.randint(1, 12)}.{r.randint(1, 12)}.{r.randint(1, 12)}.{r.randint(1, 12)}",
        ]
    ),
    "scope": lambda r, c: r.choice(
        [
            "std::vector::iterator",
            "a::b::c",
            "abc::de::f0",
            "Foo::Bar::",
            "12:34:56",
            "10:20:30:40:50:60",
            "http://[::1]:8080",
            "1:2:3:4",
            "ratio 16:9:4",
            "aspect::ratio",
            "ff:ff:ff:ff:ff:ff",
            "00:00:00:00:00:00",
        ]
    ),
    "hex dump": lambda r, c: r.choice(
        [
            " ".join(f"{b:02x}" for b in r.randbytes(12)),
            ":".join(f"{b:02x}" for b in r.randbytes(20)),
            "-".join(f"{b:02X}" for b in r.randbytes(8)),
            ":".join(f"{b:02x}" for b in r.randbytes(32)),
            f"#{r.randbytes(3).hex()}",
        ]
    ),
    "handle": lambda r, c: r.choice(
        [
            "@villagelibrary",
            "user@host",
            "git@github.com:anna/repo.git",
            "icon@2x.png",
            "left-pad@1.3.0",
            "@Override",
            "@media",
            "foo@bar",
            "root@localhost",
            "@anna@social.example",
            "react@18.2.0-rc.1",
            "a @ b.c",
            "@types/node@20.4.1",
            "scp file anna@server:/tmp",
            "100@5.50",
            "user@[hostname]",
            "u_@_v.x",
            "logo@3x.webp",
            "lodash@4.17.21/index.js",
        ]
    ),
    "at and dot": lambda r, c: r.choice(
        [
            "meet at noon dot com bubble",
            "look at the dot on the map",
            "the dot product at zero",
            "arrive at ten dot dot dot",
            "at [dot] and (at) are words",
            "array[at] = list[dot]",
            "a point at the dot matrix",
        ]
    ),
    "public key": lambda r, c: r.choice(
        [
            "-----BEGIN PUBLIC KEY-----",
            "-----BEGIN CERTIFICATE-----",
            "pk_live_" + "a1B2c3D4e5F6g7H8i9J0k1L2",
            "AKIAIOSFODNN7EXAMPLE",
            "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "sk-your-api-key-here",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "Jq8rT2" * 5,
            "YOUR_API_KEY",
            "${SECRET_KEY}",
            "os.environ['API_KEY']",
            "hf_your_token_here",
            "xoxb-your-token",
            "AIza...",
            "<API_KEY>",
            "npm_lifecycle_event",
        ]
    ),
    "assignment": lambda r, c: r.choice(
        [
            "password = getpass.getpass()",
            "token = tokenizer.next_token()",
            "secret: ${{ secrets.DEPLOY_TOKEN }}",
            "api_key=None",
            "password: changeme",
            "token = 'xxxxxxxxxxxxxxxxxxxxxxxx'",
            'secret = "your-secret-goes-here-please"',
            "access_token: string",
            'password="********"',
            "apiKey: process.env.STRIPE_API_KEY",
            "token_type=bearer",
            "passwordField.setPlaceholderText(hint)",
            "secretKeyRef: name",
            "PRIVATE_KEY_PATH=/etc/ssl/private/server.pem",
            "password_hash_algorithm = PBKDF2WithHmacSHA256",
            "client_secret=CLIENT_SECRET_FROM_CONSOLE",
            "key = sorted(dictionary_of_words)",
        ]
    ),
    "identifier": lambda r, c: r.choice(
        [
            "AbstractSingletonProxyFactoryBean",
            "iVBORw0KGgoAAAANSUhEUgAA" + "B4n9" * 8,
            "thisIsAVeryLongCamelCaseIdentifierName1",
            "0x" + "f" * 40,
            "1".ljust(34, "A"),
            "3" * 33,
            "bcrypt",
            "bc1",
            "tb1qsomething",
            "0x" + "0" * 40,
            "bc1234567890abcdefghijklmn",
            "sk-learn",
            "hf_hub_download",
            "SG.A",
            "AIzaSy",
            "Lorem1psumDolorSitAmetConsectetur2",
        ]
    ),
    "bic": lambda r, c: r.choice(
        [
            "COBADEFFXXX",
            "DE12 ABCD",
            f"GB{digits(r, 9)}",
            f"NL{digits(r, 9)}B01",
            f"FR{digits(r, 2)} {digits(r, 9)}",
            f"LEI 5299{digits(r, 14)}",
            f"US{digits(r, 9)}5",
            f"BE{digits(r, 10)}",
            "AT2024 0815 4711 1234",
            f"IT{digits(r, 11)}",
            f"MT{digits(r, 8)}",
        ]
    ),
    "card fails": broken(card),
    "iban fails": broken(iban),
    "wallet fails": broken(lambda r, c: base58check(bytes([0]) + r.randbytes(20)), False),
    "segwit fails": broken(lambda r, c: bech32("bc", [0, *(r.randrange(32) for _ in range(32))]), False),
    "id fails": lambda r, c: broken(
        lambda s, k: {
            "BR": NATIONAL_IDS["BR"],
            "RU": snils,
            "KR": rrn,
            "SE": personnummer,
            "BE": belgian,
            "ES": spanish,
            "IT": italian,
        }.get(k, NATIONAL_IDS["BR"])(s)
    )(r, c),
}
