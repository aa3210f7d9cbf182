# SPDX-License-Identifier: MIT
"""The data of groups 12 and 13: made up, the same in every run, each of a kind and as compressible as its kind is."""
import functools
import json
import random
import zlib

WORDS = """der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er
hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur bis mehr
durch man sein wurde sei Jahr Zeit Haus Wasser Straße Mädchen Gebirge Garten Abend Morgen Wald Fluss Brücke Glocke
Fenster Tür König Schneider Geschichte Freundschaft Gesellschaft Wirtschaft Landschaft Erinnerung Beobachtung
Verwaltung Aufmerksamkeit Möglichkeit Tätigkeit Schönheit Gerechtigkeit Wissenschaft Verzeichnis Geheimnis Ergebnis
Augenblick Unterschied Zusammenhang langsam plötzlich vielleicht niemals überall dennoch allerdings gleichwohl
schließlich freilich heimlich ordentlich gewöhnlich gehen stehen sehen hören sprechen fragen antworten erzählen
verstehen beginnen vergessen erreichen verlassen entdecken verschwinden wiederholen betrachten fürchten hoffen glauben
träumen lächeln schweigen klein groß alt jung dunkel hell grün blau rot tief hoch weit nah müde fröhlich traurig
seltsam vertraut fremd""".split()


def json_text():
    r, rows = random.Random(1), []
    while sum(map(len, rows)) < 194056:
        rows.append(json.dumps({"id": len(rows), "type": "measurement", "station": f"station-{r.randrange(9)}",
                                "unit": "degrees celsius", "value": r.randrange(400) / 10, "valid": True,
                                "comment": None, "tags": ["outdoor", "automatic"]}, indent=2))
    return ",\n".join(rows)[:194056]


def bitmap():
    r, rows = random.Random(2), []
    for y in range(512):
        rows.append(bytes(min(255, max(0, int((x + y) / 5 + r.gauss(20, 14)))) for x in range(512)))
    palette = b"".join(bytes((i, i, i, 0)) for i in range(256))
    return (b"BM" + (263222).to_bytes(4, "little") + bytes(48) + palette + b"".join(rows) + bytes(263222))[:263222]


def word(r):
    """One of the list, the early ones more often; or two of them in one, as German has it."""
    one = WORDS[min(int(r.expovariate(0.014)), len(WORDS) - 1)]
    return one + r.choice(WORDS).lower() if r.random() < 0.35 else one


def prose():
    r, out, size = random.Random(3), [], 0
    while size < 230000:
        words = [word(r) for _ in range(r.randrange(6, 22))]
        sentence = " ".join(words)
        out.append(sentence[0].upper() + sentence[1:] + r.choice(("", ", ", "; ")).strip() + ". ")
        size += len(out[-1].encode())
    return "".join(out).encode()[:222218]


def html():
    r = random.Random(4)
    rows = ['<!doctype html>\n<html><head><meta charset="utf-8"><title>Übersicht</title></head><body>\n']
    while sum(map(len, rows)) < 263600:
        n = len(rows)
        rows.append(f'<tr class="row {"odd" if n % 2 else "even"}"><td class="case"><a href="case_{n}.html">Case '
                    f'{n // 20}.{n % 20}</a></td><td class="result ok">OK</td>'
                    f'<td class="time">{r.randrange(90)} ms</td>'
                    f'<td class="note">{"größer – " if n % 9 == 0 else ""}{r.choice(WORDS)}</td></tr>\n')
    return "".join(rows)[:263600]


def pdf():
    r, parts, size = random.Random(5), [b"%PDF-1.4\n"], 0
    while size < 1042328:
        n = len(parts)
        stream = zlib.compress(r.randbytes(3000) + b" ".join(r.choice(WORDS).encode() for _ in range(900)))
        parts.append(b"%d 0 obj\n<< /Type /XObject /Subtype /Form /BBox [0 0 612 792] /Filter /FlateDecode /Length %d "
                     b"/Resources << /ProcSet [ /PDF /Text ] /Font << /F1 3 0 R /F2 4 0 R >> >> >>\nstream\n"
                     % (n, len(stream)) + stream + b"\nendstream\nendobj\n"
                     + b"".join(b"%010d %05d n \n" % (size + 97 * i, 0) for i in range(62)))
        size += len(parts[-1])
    return b"".join(parts)[:1042328]


MAKERS = {"json": json_text, "bitmap": bitmap, "prose": prose, "html": html, "pdf": pdf}


@functools.lru_cache(maxsize=None)
def of(kind):
    return MAKERS[kind]()


def slices(kind, length, count):
    """`count` successive slices of `length` characters or octets, going round at the end, as octets."""
    whole = of(kind)
    doubled = whole + whole
    for i in range(count):
        at = i * length % len(whole)
        piece = doubled[at:at + length]
        yield piece.encode() if isinstance(piece, str) else piece
