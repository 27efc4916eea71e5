"""Product pictures, drawn: one simple silhouette per kind of thing, in the product's own colour.

The same product always looks the same. The sky and the hill behind it take their colours
from the page's style sheet, so that they follow light and dark.
"""

from __future__ import annotations

import zlib

from markupsafe import Markup

# {a} is the product's colour, {b} a darker and {c} a lighter shade of it. The ground is at y = 196.
_SHAPES = {
    "tent": '<path fill="{b}" d="M52 196Q84 92 160 76q76 16 108 120z"/><path fill="{a}" d="M52 196Q78 100 160 76q-22 58-26 120z"/>'
    '<path fill="{c}" d="M160 76q30 52 36 120h-62q4-62 26-120z"/><path fill="{b}" d="M162 120q18 34 20 76h-34q0-42 14-76z"/>'
    '<path stroke="{b}" stroke-width="2" d="M62 170 34 200M258 170l28 30"/>',
    "tunnel": '<path fill="{a}" d="M40 196q8-76 66-88h118q46 14 60 88z"/><path fill="{b}" d="M224 108q46 14 60 88h-78q-4-60 18-88z"/>'
    '<path fill="{c}" d="M40 196q8-76 66-88-20 30-22 88z"/><path fill="none" stroke="{b}" stroke-width="3" d="M106 108q-20 30-22 88M164 108q-16 32-17 88"/>',
    "tarp": '<path stroke="{b}" stroke-width="4" d="M70 196V104M250 196V92M160 76v120"/><path fill="{a}" d="M36 128 160 66l124 52-62 8-62-28-66 36z"/>'
    '<path fill="{c}" d="M36 128 160 66v32l-66 36z"/><path stroke="{b}" stroke-width="1.5" d="M36 128 20 196M284 118l18 78"/>',
    "flat": '<path fill="{b}" d="M60 180 120 96h140l-40 84z"/><path fill="{a}" d="M60 172 120 88h140l-40 84z"/>'
    '<path fill="none" stroke="{c}" stroke-width="2.5" stroke-dasharray="7 6" d="M78 164 126 97h119l-32 67z"/>',
    "bag": '<path fill="{b}" d="M62 178q-16-40 18-62 60-26 150-10 34 8 34 38t-34 40q-110 14-168-6z"/>'
    '<path fill="{a}" d="M62 170q-14-38 18-58 60-24 150-8 32 8 32 34t-32 36q-110 14-168-4z"/>'
    '<path fill="{c}" d="M84 116q30-14 56-15-26 34-12 74-40 2-62-7-12-34 18-52z"/>'
    '<path fill="none" stroke="{b}" stroke-width="2.5" d="M164 100q-20 40-8 76M196 100q-16 40-6 76M228 105q-12 36-4 67M140 138l116 2"/>',
    "mat": '<path fill="{a}" d="M58 176 116 112h168l-44 64z"/><path fill="{b}" d="M58 176v12h182l44-64v-12l-44 64z"/>'
    '<path fill="none" stroke="{c}" stroke-width="3" d="M78 176l56-64M108 176l52-64M138 176l48-64M168 176l46-64M198 176l44-64M226 176l40-64"/>',
    "pillow": '<path fill="{b}" d="M78 176q-18-42 6-84 78-18 154 0 22 42 4 84-82 20-164 0z"/><path fill="{a}" d="M82 166q-14-36 4-70 74-16 148 0 18 34 4 70-78 18-156 0z"/>'
    '<path fill="none" stroke="{c}" stroke-width="3" d="M104 112q56-10 112 0"/>',
    "liner": '<path fill="{a}" d="M112 60q48-16 96 0l-8 128q-40 14-80 0z"/><path fill="{c}" d="M112 60q48-16 96 0-48 20-96 0z"/>'
    '<path fill="none" stroke="{b}" stroke-width="2" d="M140 80l4 108M180 80l-4 108"/>',
    "pack": '<path fill="{b}" d="M112 84q0-42 48-42t48 42z"/><path fill="{b}" d="M96 120h14v58h-14q-8-30 0-58zM210 120h14q8 28 0 58h-14z"/>'
    '<path fill="{a}" d="M104 84q56-18 112 0 10 60 2 106-58 12-116 0-8-46 2-106z"/><path fill="{c}" d="M108 76q52-30 104 0l2 22q-54-12-108 0z"/>'
    '<path fill="{b}" d="M122 130h76q6 26 0 48-38 8-76 0-6-22 0-48z"/><path fill="{a}" d="M128 136h64v8h-64z"/>'
    '<path stroke="{b}" stroke-width="5" d="M130 92v30M190 92v30"/>',
    "vest": '<path fill="{a}" d="M106 58q18-10 28 0 6 34 26 34t26-34q10-10 28 0 14 62 4 128-58 12-116 0-10-66 4-128z"/>'
    '<path fill="{b}" d="M116 112h30v54h-30zM174 112h30v54h-30z"/><path fill="{c}" d="M122 92h18v30h-18zM180 92h18v30h-18z"/>'
    '<path stroke="{b}" stroke-width="4" d="M146 138h28M146 156h28"/>',
    "duffel": '<path fill="none" stroke="{b}" stroke-width="7" d="M120 112q40-62 80 0"/><path fill="{a}" d="M62 120q98-26 196 0 12 34 0 66-98 16-196 0-12-32 0-66z"/>'
    '<path fill="{b}" d="M62 120q18-5 34-8-8 40 0 80-18-2-34-6-12-32 0-66zM258 120q-18-5-34-8 8 40 0 80 18-2 34-6 12-32 0-66z"/>'
    '<path stroke="{c}" stroke-width="4" d="M104 130h112"/><path stroke="{b}" stroke-width="7" d="M128 114v80M192 114v80"/>',
    "drybag": '<path fill="{a}" d="M112 92h96l8 96q-56 14-112 0z"/><path fill="{b}" d="M108 76h104v18H108z"/><path fill="{c}" d="M124 100h16l-4 90h-16z"/>'
    '<path fill="none" stroke="{b}" stroke-width="6" d="M112 80q-12-30 48-30t48 30"/><path fill="{b}" d="M144 126h46v30h-46z" opacity=".55"/>',
    "jacket": '<path fill="{b}" d="M136 52q24-18 48 0l8 18h-64z"/><path fill="{a}" d="M128 62 96 76 66 164l28 12 18-46-4 62q52 10 104 0l-4-62 18 46 28-12-30-88-32-14q-32 26-64 0z"/>'
    '<path fill="{c}" d="M128 62q14 12 30 13v121q-26 0-50-4l4-62-18 46-28-12 30-88z" opacity=".45"/>'
    '<path stroke="{b}" stroke-width="3" d="M160 76v120M118 152l20 8M202 152l-20 8"/>',
    "shirt": '<path fill="{a}" d="M130 60 98 72 66 164l26 10 20-46-4 66q52 8 104 0l-4-66 20 46 26-10-32-92-32-12q-30 20-60 0z"/>'
    '<path fill="none" stroke="{c}" stroke-width="5" d="M130 60q30 22 60 0"/><path stroke="{b}" stroke-width="2.5" d="M112 128l6-34M208 128l-6-34M108 184q52 8 104 0"/>',
    "trousers": '<path fill="{a}" d="M116 52h88l12 140-34 4-20-96h-4l-20 96-34-4z"/><path fill="{b}" d="M116 52h88l1 16h-90z"/>'
    '<path fill="{b}" d="M120 128l22 4-4 28-21-3zM200 128l-22 4 4 28 21-3z"/><path stroke="{c}" stroke-width="2.5" d="M160 68v30"/>',
    "boot": '<path fill="{a}" d="M112 62h64q-4 44 18 60 44 10 58 34v22H104q-4-56 8-116z"/><path fill="{c}" d="M112 62h64l-1 16h-65z"/>'
    '<path fill="{b}" d="M100 176h154q4 18-6 20H104q-6-4-4-20zM200 124q38 12 52 32v8h-40q-16-14-12-40z"/>'
    '<path stroke="{c}" stroke-width="4" d="M150 92l26 4M152 108l28 6M160 124l28 2"/>',
    "shoe": '<path fill="{a}" d="M78 118q22 8 46-8 30 26 66 34 50 6 62 34H74q-4-34 4-60z"/><path fill="{c}" d="M78 118q22 8 46-8l12 11q-26 18-60 14z"/>'
    '<path fill="{b}" d="M70 174h184q6 18-8 22H78q-12-4-8-22zM206 148q38 8 46 28h-52q-4-18 6-28z"/>'
    '<path stroke="{c}" stroke-width="4" d="M136 128l-8 14M152 136l-8 14M170 142l-6 14"/>',
    "sock": '<path fill="{b}" d="M164 56h44v78q10 28 42 36 8 16-8 26h-40q-44-18-38-66z"/><path fill="{a}" d="M116 56h46v82q6 24 40 32 10 16-6 26h-40q-46-16-40-64z"/>'
    '<path fill="{c}" d="M116 56h46v18h-46zM118 156q16 8 10 34-14-12-10-34zM172 162q16 0 30 8 10 16-6 26h-14q-14-18-10-34z"/>',
    "gaiter": '<path fill="{a}" d="M116 58q44-12 88 0l-6 88 20 44q-58 14-116 0l20-44z"/><path fill="{b}" d="M122 140q38 10 76 0l20 50q-58 14-116 0z"/>'
    '<path stroke="{c}" stroke-width="4" d="M160 58v126"/><path stroke="{b}" stroke-width="6" d="M116 74q44 12 88 0"/>',
    "headlamp": '<path fill="none" stroke="{b}" stroke-width="12" d="M84 150q-8-84 76-84t76 84"/><path fill="none" stroke="{c}" stroke-width="3" stroke-dasharray="10 8" d="M84 150q-8-84 76-84t76 84"/>'
    '<rect x="112" y="108" width="96" height="62" rx="18" fill="{a}"/><circle cx="160" cy="139" r="23" fill="{b}"/><circle cx="160" cy="139" r="15" fill="#ffe9a8"/><rect x="120" y="98" width="26" height="12" rx="5" fill="{b}"/>',
    "lantern": '<path fill="none" stroke="{b}" stroke-width="5" d="M128 84q32-56 64 0"/><path fill="{b}" d="M118 80h84l6 16h-96z"/><rect x="120" y="96" width="80" height="76" rx="6" fill="#ffe9a8"/>'
    '<path stroke="{a}" stroke-width="4" d="M132 96v76M188 96v76"/><path fill="{a}" d="M112 168h96l8 26q-56 8-112 0z"/><circle cx="160" cy="134" r="16" fill="#fff7dc"/>',
    "torch": '<path fill="#ffe9a8" opacity=".7" d="M222 96 292 70v92l-70-24z"/><path fill="{b}" d="M182 92h42v52h-42z"/><path fill="{a}" d="M58 102h124v32H58z"/><path fill="{b}" d="M50 106h14v24H50z"/>'
    '<path stroke="{c}" stroke-width="3" d="M84 102v32M98 102v32M112 102v32"/><rect x="142" y="96" width="20" height="8" rx="3" fill="{c}"/>',
    "device": '<rect x="112" y="52" width="96" height="144" rx="18" fill="{a}"/><rect x="124" y="70" width="72" height="74" rx="6" fill="{b}"/><path fill="none" stroke="{c}" stroke-width="4" d="m132 130 16-22 16 14 24-34"/>'
    '<circle cx="142" cy="168" r="9" fill="{c}"/><circle cx="178" cy="168" r="9" fill="{b}"/>',
    "battery": '<rect x="98" y="84" width="124" height="104" rx="18" fill="{a}"/><rect x="98" y="84" width="124" height="22" rx="11" fill="{b}"/><path fill="{c}" d="m166 114-26 38h18l-6 28 28-40h-18z"/>',
    "compass": '<rect x="104" y="64" width="112" height="128" rx="16" fill="{a}"/><circle cx="160" cy="128" r="48" fill="{b}"/><circle cx="160" cy="128" r="38" fill="#f6f3ea"/>'
    '<path fill="#c0392b" d="m160 94 11 34h-22z"/><path fill="{b}" d="m160 162-11-34h22z"/><circle cx="160" cy="128" r="5" fill="#fff"/>',
    "whistle": '<path fill="{a}" d="M78 108h104q50 0 50 42t-44 42-44-40H78z"/><circle cx="188" cy="150" r="18" fill="{b}"/><path fill="{b}" d="M120 100h30v18h-30z"/><path fill="none" stroke="{c}" stroke-width="5" d="M222 122q28-40 46 4"/>',
    "bottle": '<path fill="{b}" d="M140 44h40v22h-40z"/><path fill="none" stroke="{b}" stroke-width="5" d="M146 44q0-16 14-16t14 16"/><path fill="{a}" d="M136 66h48q22 18 22 42v74q-2 14-14 14h-64q-12 0-14-14v-74q0-24 22-42z"/>'
    '<path fill="{c}" d="M128 96q-4 12-4 30v50q8 6 14 0V84q-6 4-10 12z" opacity=".7"/><path fill="{b}" d="M156 118h30v34h-30z" opacity=".5"/>',
    "bladder": '<path fill="{a}" d="M104 64q56-18 112 0l6 112q-62 34-124 0z"/><path fill="{b}" d="M104 56h112v16H104z"/><circle cx="160" cy="104" r="17" fill="{c}"/><path fill="none" stroke="{b}" stroke-width="6" d="M160 188q4 18 50 8 44-10 40-64"/>',
    "filter": '<path fill="{a}" d="M128 120h64q10 38 0 70-32 12-64 0-10-32 0-70z" opacity=".75"/><path fill="{b}" d="M140 60h40v60h-40z"/><path fill="{c}" d="M146 44h28v18h-28z"/><path stroke="{c}" stroke-width="3" d="M148 72h24M148 84h24M148 96h24"/>',
    "poles": '<path stroke="{a}" stroke-width="7" d="M122 62 88 196M198 62l34 134"/><path stroke="{b}" stroke-width="13" stroke-linecap="round" d="m128 42-8 32M192 42l8 32"/>'
    '<path fill="none" stroke="{c}" stroke-width="5" d="M76 182h30M214 182h30"/><path fill="none" stroke="{b}" stroke-width="3" d="M128 46q26 16 0 32M192 46q-26 16 0 32"/>',
    "kit": '<rect x="86" y="82" width="148" height="108" rx="16" fill="{a}"/><path fill="none" stroke="{b}" stroke-width="7" d="M136 84V70q0-10 10-10h28q10 0 10 10v14"/><path fill="#fff" d="M148 104h24v22h22v24h-22v22h-24v-22h-22v-24h22z"/>',
    "mender": '<rect x="86" y="82" width="148" height="108" rx="16" fill="{a}"/><path fill="{b}" d="M86 98q0-16 16-16h116q16 0 16 16v20H86z"/><path stroke="{c}" stroke-width="8" stroke-linecap="round" d="m130 168 48-42"/><circle cx="186" cy="122" r="14" fill="none" stroke="{c}" stroke-width="7"/>',
    "towel": '<path fill="{b}" d="M92 150h136v40H92z"/><path fill="{a}" d="M88 104q0-14 14-14h116q14 0 14 14v64H88z"/><path stroke="{c}" stroke-width="5" d="M88 146h144M88 156h144"/><path fill="{c}" d="M102 90h22v78h-22z" opacity=".45"/>',
    "stove": '<path fill="{b}" d="M58 132h204v52q-2 12-14 12H72q-12 0-14-12z"/><path fill="{a}" d="M58 148h204v36q-2 12-14 12H72q-12 0-14-12z"/>'
    '<path stroke="{b}" stroke-width="5" d="M76 122h72M172 122h72M92 122v12M132 122v12M188 122v12M228 122v12"/><circle cx="112" cy="174" r="9" fill="{c}"/><circle cx="208" cy="174" r="9" fill="{c}"/>'
    '<path fill="#e58a2b" d="M112 84q18 18 6 36h-12q-12-14 6-36zM208 84q18 18 6 36h-12q-12-14 6-36z"/>',
    "burner": '<path fill="{a}" d="M126 138q34-12 68 0v46q-34 18-68 0z"/><path fill="{b}" d="M150 104h20v32h-20z"/><path stroke="{b}" stroke-width="6" stroke-linecap="round" d="M110 94l40 16M210 94l-40 16M110 94v-10M210 94v-10"/>'
    '<path fill="#e58a2b" d="M160 44q26 28 8 56h-16q-18-22 8-56z"/><path fill="#ffe9a8" d="M160 72q10 14 3 26h-6q-8-10 3-26z"/>',
    "canister": '<path fill="{a}" d="M106 112q54-24 108 0v66q-54 30-108 0z"/><path fill="{c}" d="M106 112q54-24 108 0-54 22-108 0z"/><path fill="{b}" d="M146 84h28v22h-28zM106 140q54 22 108 0v20q-54 24-108 0z"/>',
    "pot": '<path fill="{a}" d="M82 104h132v66q-4 22-22 24h-88q-18-2-22-24z"/><path fill="{c}" d="M76 92h144v14H76z"/><path fill="{b}" d="M138 80h20v12h-20z"/><path stroke="{b}" stroke-width="9" stroke-linecap="round" d="M216 122h64"/>',
    "mug": '<path fill="none" stroke="{b}" stroke-width="9" d="M198 100q46-6 44 34t-46 34"/><path fill="{a}" d="M104 72h96v108q-4 14-14 14h-68q-10 0-14-14z"/><path fill="{c}" d="M104 72h96v12h-96z"/><path fill="{c}" d="M116 92h14v92h-10q-4-4-4-10z" opacity=".6"/>',
}  # fmt: skip

_BY_FIRST_WORD = {
    "footprint": "flat", "liner": "liner", "carrier": "pack", "slipper": "shoe", "fleece": "jacket",
    "baselayer": "shirt", "windshirt": "jacket", "power": "battery", "gps": "device", "trek": "poles",
    "firstaid": "kit", "repair": "mender", "gas": "canister", "spirit": "bottle",
}  # fmt: skip
_BY_ID = {
    "tent-icefield-2": "tunnel", "tent-homestead-6": "tunnel", "pack-ridge-runner-8": "vest",
    "stove-spark-solo": "burner", "stove-wisp-spirit": "burner", "stove-twig-wood": "burner",
}  # fmt: skip
_BY_CATEGORY = {
    "tents": "tent", "sleeping-bags": "bag", "backpacks": "pack", "jackets": "jacket", "footwear": "boot",
    "stoves": "stove", "lights": "lantern", "accessories": "bottle",
}  # fmt: skip
_COLOURS = {
    "black": "#3a403e", "brick": "#a4513c", "cream": "#d8cba9", "fern": "#5f8a4c", "fire": "#c2412d",
    "fjord": "#3f6f8f", "forest": "#2f5d46", "fox": "#c9682f", "grey": "#7d8683", "lichen": "#9aa66a",
    "meadow": "#6f9a48", "moss": "#6a7d45", "natural": "#cfc3a5", "navy": "#2f4363", "olive": "#747a42",
    "orange": "#d0722c", "owl": "#557a94", "red": "#b63d33", "rust": "#a5562f", "sand": "#c2a878",
    "signal": "#dd7426", "slate": "#59707c", "steel": "#97a2a4", "teal": "#2f7f7c", "titanium": "#8b9190",
    "white": "#d9dedb", "blue": "#3d6c9c", "green": "#4d7b52", "yellow": "#d1a52f",
}  # fmt: skip
_PALETTE = ("#4d7b52", "#3f6f8f", "#b0643a", "#747a42", "#2f7f7c", "#8a5a6a", "#c2973f", "#59707c")


def picture(product: str, category: str, colour: str = "") -> Markup:
    """Return a product's drawing as an inline SVG of 320 × 240 units, decoration only.

    Args:
        product: The product's id; its first word chooses the silhouette.
        category: Chooses the silhouette of a product of unknown kind.
        colour: English name of a colour; without a known one the id chooses.
    """
    first = product.split("-", 1)[0]
    name = _BY_ID.get(product) or _BY_FIRST_WORD.get(first, first)
    shape = _SHAPES.get(name) or _SHAPES[_BY_CATEGORY.get(category, "pack")]
    number = zlib.crc32(product.encode())
    base = _colour(colour) or _PALETTE[number % len(_PALETTE)]
    hill = 168 + number % 21
    sun = 60 + number // 21 % 200
    drawing = shape.format(a=base, b=_mix(base, "#16211c", 0.42), c=_mix(base, "#ffffff", 0.38))
    return Markup(  # noqa: S704 - made of this module's constants and numbers alone
        '<svg class="picture" viewBox="0 0 320 240" aria-hidden="true" focusable="false">'
        f'<rect class="sky" width="320" height="240"/><circle class="sun" cx="{sun}" cy="62" r="26"/>'
        f'<path class="far" d="M0 {hill - 34}Q80 {hill - 74} 150 {hill - 30}T320 {hill - 52}V240H0z"/>'
        f'<path class="hill" d="M0 {hill}Q110 {hill - 22} 200 {hill + 4}T320 {hill - 8}V240H0z"/>'
        f'<ellipse class="shade" cx="160" cy="197" rx="118" ry="9"/><g fill="none" stroke-linejoin="round">{drawing}</g></svg>'
    )


def swatch(colour: str) -> str:
    """Return the hex colour of an English colour name, empty when it is not one."""
    return _colour(colour)


def _colour(words: str) -> str:
    return next((_COLOURS[word] for word in words.lower().replace(",", " ").split() if word in _COLOURS), "")


def _mix(one: str, other: str, share: float) -> str:
    """Blend two hex colours; ``share`` is the second one's part, 0 to 1."""
    pairs = ((int(one[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)
