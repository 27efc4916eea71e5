"""Documents out of every format, and what happens to broken and hostile files."""

from __future__ import annotations

import io
import json
import os
import zlib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import ClassVar

import pytest
from pypdf import PdfWriter
from reportlab.lib.pagesizes import A5
from reportlab.pdfgen.canvas import Canvas

from retrieval.errors import DocumentUnreadable, VisibilityUnknown
from retrieval.passages import Document
from retrieval.readers import FORMATS, files_under, read

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def texts(document: Document) -> dict[str, str]:
    return {section.heading: section.text for section in document.sections}


class TestMarkdown:
    def test_front_matter_says_what_a_document_is(self, write: Write) -> None:
        path = write(
            "returns.md",
            "---\ntitle: Returns\nkind: policy\nversion: '2'\neffective: 2026-03-01\nlanguage: en\n"
            "visibility: customers\n---\n# Returns\n\nSend it back.\n",
        )
        (document,) = read(path, "shop/policies/returns.md")
        assert document.id == "shop/policies/returns.md@en"
        assert (document.title, document.kind, document.version) == ("Returns", "policy", "2")
        assert document.effective == date(2026, 3, 1)
        assert document.visibility == "customers"

    def test_sections_are_named_by_their_path_of_headings(self, write: Write) -> None:
        path = write(
            "a.md",
            "# Title\n\nIntro\nover lines.\n\n## A\n\nOne.\n\n### B\n\n- x\n- y\n\n## C\n\n1. s\n2. t\n",
        )
        (document,) = read(path)
        assert document.title == "Title"
        assert texts(document) == {
            "": "Intro over lines.",
            "A": "One.",
            "A > B": "- x\n- y",
            "C": "1. s\n2. t",
        }

    def test_a_table_row_keeps_its_column_names(self, write: Write) -> None:
        path = write("a.zh.md", "## 尺码\n\n| 尺码 | 胸围 |\n|---|---|\n| M | 96 厘米 |\n| L | |\n")
        assert texts(read(path)[0]) == {"尺码": "尺码：M；胸围：96 厘米\n尺码：L"}

    def test_html_and_links_leave_only_their_text(self, write: Write) -> None:
        path = write("a.md", "See [here](https://x.example/) <b>now</b>\n\n<script>alert(1)</script>\n")
        assert texts(read(path)[0]) == {"": "See here now"}

    def test_index_false_leaves_a_file_out(self, write: Write) -> None:
        assert read(write("a.md", "---\nindex: false\n---\nText")) == []

    def test_without_front_matter_the_effective_date_is_unknown(self, write: Write) -> None:
        (document,) = read(write("a.md", "Text"))
        assert (document.version, document.effective, document.visibility) == ("", None, "public")

    @pytest.mark.parametrize(
        ("matter", "why"),
        [
            ("[1, 2", "valid YAML"),
            ("just text", "mapping"),
            ("!!python/object/apply:os.system ['true']", "valid YAML"),
            ("kind: poem", "kind"),
            ("effective: 2026-13-45", "valid YAML"),
        ],
    )
    def test_bad_front_matter_is_named(self, write: Write, matter: str, why: str) -> None:
        with pytest.raises(DocumentUnreadable, match=rf"^shop/a\.md: .*{why}"):
            read(write("a.md", f"---\n{matter}\n---\nText"), "shop/a.md")

    def test_an_unknown_visibility_is_never_taken_for_public(self, write: Write) -> None:
        with pytest.raises(VisibilityUnknown, match="public, customers, staff"):
            read(write("a.md", "---\nvisibility: internal\n---\nText"))


class TestLanguage:
    @pytest.mark.parametrize(
        ("source", "text", "language"),
        [
            ("shop/zh/a.md", "English words", "zh"),
            ("shop/a.zh.md", "English words", "zh"),
            ("shop/zh-CN/a.md", "English words", "zh"),
            ("shop/en/a.md", "中文", "en"),
            ("shop/a.md", "远岭 Fernway 帐篷", "zh"),
            ("shop/a.md", "A tent (帐) of the brand Fernway Outdoor Equipment", "en"),
            ("shop/zh/a.md", "---\nlanguage: en-GB\n---\n中文", "en"),
        ],
    )
    def test_what_is_said_beats_the_path_and_the_path_beats_the_script(
        self, write: Write, source: str, text: str, language: str
    ) -> None:
        (document,) = read(write("a.md", text), source)
        assert document.language == language
        assert document.id == f"{source}@{language}"


class TestHtml:
    PAGE = """<html lang="en"><head><title>T</title><style>.x{}</style></head><body><nav>menu</nav>
    <h1>Care</h1><p>Wash <b>cold</b>.<br>Dry flat.</p><div>loose<h2>Wool</h2><ul><li>a <i>b</i></li><li>c</li></ul>
    <table><tr><th>Size</th><th>cm</th></tr><tr><td>S</td><td>90</td></tr></table></div>
    <script>evil()</script><!-- note --><p hidden>secret</p><footer>imprint</footer></body></html>"""

    def test_only_what_a_visitor_reads_is_kept(self, write: Write) -> None:
        (document,) = read(write("care.html", self.PAGE))
        assert document.title == "Care"
        assert texts(document) == {
            "": "Wash cold.\nDry flat.\n\nloose",
            "Wool": "- a b\n- c\n\nSize: S; cm: 90",
        }

    def test_a_product_in_json_ld_is_a_document_of_its_own(self, write: Write) -> None:
        product = {
            "@context": "https://schema.org",
            "@graph": [
                {
                    "@type": "ProductGroup",
                    "productGroupID": "boot",
                    "name": "Ridge boot",
                    "description": "A boot <em>for</em> rock.",
                    "brand": {"@type": "Brand", "name": "Fernway"},
                    "hasVariant": [
                        {
                            "@type": "Product",
                            "sku": f"B-{size}",
                            "name": f"Ridge boot {size}",
                            "size": size,
                            "offers": {
                                "price": 149.5,
                                "priceCurrency": "EUR",
                                "availability": f"https://schema.org/{state}",
                            },
                            "additionalProperty": [{"name": "Warranty", "value": "2 years"}],
                        }
                        for size, state in (("41", "InStock"), ("42", "OutOfStock"))
                    ],
                }
            ],
        }
        path = write(
            "p.html",
            f'<html lang="en"><script type="application/ld+json">{json.dumps(product)}</script><p>Hi</p></html>',
        )
        page, boot = read(path, "shop/p.html")
        assert page.kind == "page"
        assert (boot.id, boot.kind, boot.product) == ("shop/p.html#boot@en", "product", "boot")
        assert texts(boot) == {
            "Description": "A boot for rock.",
            "Specifications": "Brand: Fernway",
            "Sizes, colours and availability": "In stock: 41\nOut of stock: 42",
            "Price": "149.5 EUR",
            "Warranty": "2 years",
        }

    def test_broken_json_ld_is_named(self, write: Write) -> None:
        path = write("p.html", '<script type="application/ld+json">{"@type": </script><p>Hi</p>')
        with pytest.raises(DocumentUnreadable, match=r"p\.html: is not valid JSON"):
            read(path)

    def test_deeply_nested_tags_do_no_harm(self, write: Write) -> None:
        path = write("deep.html", "<div>" * 20_000 + "deep" + "</div>" * 20_000)
        try:
            (document,) = read(path)
        except DocumentUnreadable as error:
            assert error.source == "deep.html"  # noqa: PT017 - either outcome is right
        else:
            assert "deep" in document.sections[0].text


def pdf(pages: list[list[str]], *, bookmarks: dict[str, int] | None = None, language: str = "") -> bytes:
    """A PDF with one line of text per string."""
    made = io.BytesIO()
    canvas = Canvas(made, pagesize=A5, lang=language or None)
    canvas.setTitle("Ember stove")
    for number, lines in enumerate(pages):
        for title, page in (bookmarks or {}).items():
            if page == number:
                canvas.bookmarkPage(title)
                canvas.addOutlineEntry(title, title)
        text = canvas.beginText(40, 500)
        for line in lines:
            text.textLine(line)
        canvas.drawText(text)
        canvas.showPage()
    canvas.save()
    return made.getvalue()


class TestPdf:
    PAGES: ClassVar = [
        ["Ember stove", "Lighting", "Open the valve slowly and hold"],
        ["a match near.", "Cleaning", "Use a brush."],
    ]

    def test_bookmarks_make_sections(self, write: Write) -> None:
        content = pdf(self.PAGES, bookmarks={"Lighting": 0, "Cleaning": 1}, language="en")
        (document,) = read(write("manuals/ember.pdf", content), "shop/manuals/ember.pdf")
        assert (document.title, document.kind, document.language) == ("Ember stove", "manual", "en")
        assert document.product == "ember"
        found = texts(document)
        assert found["Lighting"] == "Open the valve slowly and hold a match near."
        assert found["Cleaning"] == "Use a brush."

    def test_without_bookmarks_there_is_a_section_per_page(self, write: Write) -> None:
        (document,) = read(write("a.pdf", pdf(self.PAGES)))
        assert [section.heading for section in document.sections] == ["Page 1", "Page 2"]

    def test_an_encrypted_file_is_named(self, write: Write) -> None:
        writer = PdfWriter(clone_from=io.BytesIO(pdf(self.PAGES)))
        writer.encrypt("secret", algorithm="RC4-128")
        made = io.BytesIO()
        writer.write(made)
        with pytest.raises(DocumentUnreadable, match=r"locked\.pdf: is encrypted"):
            read(write("locked.pdf", made.getvalue()))

    def test_a_truncated_file_is_named(self, write: Write) -> None:
        content = pdf(self.PAGES)
        for end in (0, 5, 200, len(content) // 2):
            with pytest.raises(DocumentUnreadable, match=r"half\.pdf: "):
                read(write("half.pdf", content[:end]))

    def test_a_page_without_text_is_named_as_a_scan(self, write: Write) -> None:
        with pytest.raises(DocumentUnreadable, match="no text"):
            read(write("scan.pdf", pdf([[]])))

    def test_a_small_file_that_unpacks_into_a_huge_one_is_refused(self, write: Write) -> None:
        bomb = zlib.compress(b"BT /F1 1 Tf (" + b"A" * 100_000_000 + b") Tj ET", 9)
        objects = [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
            b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(bomb), bomb),
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        ]
        content = b"%PDF-1.4\n"
        for number, body in enumerate(objects, start=1):
            content += b"%d 0 obj%s endobj\n" % (number, body)
        content += b"trailer<</Root 1 0 R/Size 6>>\n%%EOF"
        with pytest.raises(DocumentUnreadable, match=r"bomb\.pdf"):
            read(write("bomb.pdf", content))


class TestFaq:
    ROWS: ClassVar = [
        {"id": "r1", "topic": "returns", "question": "How long?", "answer": "30 days."},
        {"id": "r2", "topic": "returns", "question": "Is it free?", "answer": "4.90 EUR."},
    ]

    def test_each_entry_of_a_json_file_is_a_document(self, write: Write) -> None:
        first, second = read(write("en.json", json.dumps(self.ROWS)), "shop/faq/en.json")
        assert (first.id, first.title, first.kind) == ("shop/faq/en.json#r1@en", "How long?", "faq")
        assert texts(first) == {"returns": "30 days."}
        assert second.id == "shop/faq/en.json#r2@en"

    def test_an_object_around_the_list_is_fine(self, write: Write) -> None:
        assert len(read(write("a.json", json.dumps({"version": 1, "entries": self.ROWS})))) == 2

    def test_csv_in_chinese_with_semicolons_and_a_byte_order_mark(self, write: Write) -> None:
        path = write("faq.csv", '\ufeff编号;问题;答案;可见范围\n1;多久可以退货？;"30天;\n含周末";customers\n')
        (document,) = read(path)
        assert (document.id, document.language) == ("faq.csv#1@zh", "zh")
        assert document.visibility == "customers"
        assert document.sections[0].text == "30天;\n含周末"

    def test_an_entry_without_id_is_known_by_its_question(self, write: Write) -> None:
        (first,) = read(write("a.csv", "question,answer\nHow long?,30 days.\n"))
        (second,) = read(write("a.csv", "answer,question\n31 days.,How long?\n"))
        assert first.id == second.id

    @pytest.mark.parametrize(
        ("name", "content", "why"),
        [
            ("a.json", "{not json", "valid JSON"),
            ("a.json", "[" * 100_000, "nested too deeply|valid JSON"),
            ("a.json", "[]", "neither a FAQ nor JSON-LD"),
            ("a.json", '[{"question": "?", "answer": "!"}, 3]', "neither a FAQ nor JSON-LD"),
            ("a.json", '[{"q": "How?"}]', "question and answer"),
            ("a.json", '[{"question": "How?", "answer": ""}]', "entry 1 has no answer"),
            (
                "a.json",
                '[{"id":1,"question":"a","answer":"b"},{"id":1,"question":"c","answer":"d"}]',
                "entry 2",
            ),
            ("a.csv", "name,value\na,b\n", "neither question and answer"),
            ("a.csv", "question,answer\na,b,c\n", "row 2 has more cells"),
            ("a.csv", 'question,answer\n"a"b,c\n', "valid CSV"),
            ("a.csv", "question,answer\n多久,\n", "entry 1 has no answer"),
            ("a.csv", "问题,答案\n多久,三十天\n".encode("gb18030"), "not UTF-8"),
            ("a.csv", b"question,answer\n\xff,\xfe\n", "not UTF-8"),
            ("a.csv", "question,answer\na," + "x" * 200_000 + "\n", "valid CSV"),
        ],
    )
    def test_a_broken_file_is_named(self, write: Write, name: str, content: str | bytes, why: str) -> None:
        with pytest.raises(DocumentUnreadable, match=f"(?s)^shop/{name}: .*({why})"):
            read(write(name, content), f"shop/{name}")


RSS = """<?xml version="1.0"?><rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel>{}</channel></rss>"""
GREEN = """<item><g:id>T-GRN</g:id><g:item_group_id>tent</g:item_group_id>
<title>Arbor 2 tent - Moss green</title><description>A &lt;b&gt;light&lt;/b&gt; tent.</description>
<g:price>249.00 EUR</g:price><g:sale_price>199.00 EUR</g:sale_price><g:availability>in_stock</g:availability>
<g:color>Moss green</g:color><g:brand>Fernway</g:brand><g:gtin>123</g:gtin><link>https://shop.example/t</link>
<g:product_detail><g:section_name>General</g:section_name><g:attribute_name>Waterhead</g:attribute_name>
<g:attribute_value>3,000 mm</g:attribute_value></g:product_detail>
<g:product_detail><g:section_name>Care</g:section_name><g:attribute_name>Care</g:attribute_name>
<g:attribute_value>Dry it first.</g:attribute_value></g:product_detail>
<g:product_detail><g:attribute_name>Warranty</g:attribute_name><g:attribute_value>5 years</g:attribute_value>
</g:product_detail></item>"""
SAND = """<item><g:id>T-SND</g:id><g:item_group_id>tent</g:item_group_id><title>Arbor 2 tent - Sand</title>
<g:price>259.00 EUR</g:price><g:availability>out of stock</g:availability><g:color>Sand</g:color></item>"""


class TestFeed:
    def test_variants_of_a_group_are_one_product(self, write: Write) -> None:
        (tent,) = read(write("products.en.xml", RSS.format(GREEN + SAND)))
        assert (tent.id, tent.title, tent.product) == ("products.en.xml#tent@en", "Arbor 2 tent", "tent")
        assert tent.kind == "product"
        assert tent.attributes["link"] == "https://shop.example/t"
        assert texts(tent) == {
            "Description": "A light tent.",
            "Specifications": "Brand: Fernway\nWaterhead: 3,000 mm",
            "Sizes, colours and availability": "In stock: Moss green\nOut of stock: Sand",
            "Price": "199.00 EUR instead of 249.00 EUR: Moss green\n259.00 EUR: Sand",
            "Care": "Dry it first.",
            "Warranty": "5 years",
        }

    def test_atom_and_chinese(self, write: Write) -> None:
        feed = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><entry>
        <g:id>S1</g:id><title>余烬双头炉</title><summary>双头炉具。</summary><g:price>89.00 EUR</g:price>
        <g:availability>in_stock</g:availability><link href="https://shop.example/s"/></entry></feed>"""
        (stove,) = read(write("feed.xml", feed))
        assert (stove.language, stove.attributes["link"]) == ("zh", "https://shop.example/s")
        assert texts(stove) == {"商品介绍": "双头炉具。", "尺码、颜色与库存": "有货", "价格": "89.00 EUR"}

    def test_a_table_gives_the_same_product(self, write: Write) -> None:
        header = "id\ttitle\tdescription\titem group id\tprice\tavailability\tcolor\tproduct_detail\n"
        rows = (
            "T-GRN\tArbor 2 tent - Moss green\tA light tent.\ttent\t249.00 EUR\tin_stock\tMoss green"
            "\tGeneral:Waterhead:3000 mm,Care:Care:Dry it first.\n"
            "T-SND\tArbor 2 tent - Sand\tA light tent.\ttent\t249.00 EUR\tin_stock\tSand\t\n"
        )
        (tent,) = read(write("feed.tsv", header + rows))
        assert tent.title == "Arbor 2 tent"
        assert texts(tent) == {
            "Description": "A light tent.",
            "Specifications": "Waterhead: 3000 mm",
            "Sizes, colours and availability": "In stock: Moss green, Sand",
            "Price": "249.00 EUR",
            "Care": "Dry it first.",
        }

    def test_the_strictest_variant_decides_who_may_read_a_product(self, write: Write) -> None:
        rows = "id,title,item_group_id,price,visibility\na,Boot,b,1 EUR,\nc,Boot,b,1 EUR,staff\n"
        assert read(write("feed.csv", rows))[0].visibility == "staff"

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (
                '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss><item><title>&x;</title></item></rss>',
                "DTD",
            ),
            ('<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd"><rss><channel/></rss>', "DTD"),
            ('<!DOCTYPE r [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><rss><item>&b;</item></rss>', "DTD"),
            ("<rss><channel><item>", "well-formed"),
            ("\x00\x01", "well-formed"),
            ("", "well-formed"),
            ('<?xml version="1.0" encoding="no-such"?><rss/>', "well-formed"),
            ("<html><item/></html>", "not an RSS or Atom"),
            (RSS.format(""), "not an RSS or Atom"),
            (RSS.format("<item><title>No id</title></item>"), "product 1 has no id"),
        ],
    )
    def test_a_hostile_or_broken_feed_is_named(self, write: Write, content: str, why: str) -> None:
        with pytest.raises(DocumentUnreadable, match=rf"^feed\.xml: .*{why}"):
            read(write("feed.xml", content))


class TestAnyFile:
    @pytest.mark.parametrize("suffix", FORMATS)
    def test_a_file_over_the_limit_is_not_read_into_memory(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"big{suffix}"
        with path.open("wb") as sparse:
            sparse.truncate(3_000_000_000)
        with pytest.raises(DocumentUnreadable, match=r"larger than \d+ MB"):
            read(path)

    @pytest.mark.parametrize("suffix", FORMATS)
    def test_random_bytes_are_refused_or_read_but_never_fatal(self, write: Write, suffix: str) -> None:
        for start in range(5):
            path = write(f"noise{suffix}", bytes((start + 7 * n * n) % 256 for n in range(3_000)))
            try:
                assert isinstance(read(path), list)
            except DocumentUnreadable as error:
                assert error.source == f"noise{suffix}"  # noqa: PT017 - either outcome is right

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DocumentUnreadable, match=r"none\.md: cannot be opened"):
            read(tmp_path / "none.md")

    def test_an_unknown_format_is_named(self, write: Write) -> None:
        with pytest.raises(DocumentUnreadable, match="no known format"):
            read(write("a.docx", b"PK"))

    def test_control_and_direction_marks_are_dropped(self, write: Write) -> None:
        path = write(
            "a.json", json.dumps([{"question": "a\u202eb", "answer": "c\u0000d\ud800e\r\nf\u00a0g"}])
        )
        (document,) = read(path)
        assert document.title == "ab"
        assert document.sections[0].text == "cde\nf g"


class TestFolder:
    def test_known_formats_are_found_in_order_under_the_folders_name(
        self, write: Write, tmp_path: Path
    ) -> None:
        for name in (
            "shop/b.md",
            "shop/a/z.html",
            "shop/.hidden.md",
            "shop/.git/x.md",
            "shop/c.yaml",
            "shop/d.png",
        ):
            write(name, "x")
        assert [source for _, source in files_under(tmp_path / "shop")] == ["shop/a/z.html", "shop/b.md"]

    def test_excluded_patterns_are_left_out(self, write: Write, tmp_path: Path) -> None:
        for name in ("shop/manuals/en/a.md", "shop/manuals/en/a.pdf", "shop/b.md"):
            write(name, "x")
        found = [source for _, source in files_under(tmp_path / "shop", ["manuals/*.md"])]
        assert found == ["shop/b.md", "shop/manuals/en/a.pdf"]

    def test_links_out_of_the_folder_are_not_followed(self, write: Write, tmp_path: Path) -> None:
        secret, inside = write("secret/s.md", "secret"), write("shop/a.md", "x")
        (tmp_path / "shop/out.md").symlink_to(secret)
        (tmp_path / "shop/folder").symlink_to(tmp_path / "secret")
        (tmp_path / "shop/loop.md").symlink_to(tmp_path / "shop/loop.md")
        (tmp_path / "shop/same.md").symlink_to(inside)
        os.mkfifo(tmp_path / "shop/pipe.md")
        assert [source for _, source in files_under(tmp_path / "shop")] == ["shop/a.md", "shop/same.md"]

    def test_a_single_file_goes_by_its_name(self, write: Write) -> None:
        path = write("shop/a.md", "x")
        assert list(files_under(path)) == [(path, "a.md")]
