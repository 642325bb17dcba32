"""One table in every kind gives the same rows; rows that are not legal say so by their number."""

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.errors import UserError
from probekit.user_files import parquet_records
from probekit.user_files.tables import Table, is_table_name, read_table

COLUMNS = ("file", "caption", "n")
ROWS = [
    {"file": "a.mp4", "caption": 'a "red" cup, at dusk', "n": 3},
    {"file": "b.mp4", "caption": "two\nlines", "n": 4},
]
TEXTS = [{name: str(value) for name, value in row.items()} for row in ROWS]


def read(path: Path) -> Table:
    return read_table(path, what="table", fix="Give a table.", columns=COLUMNS)


def texts(table: Table) -> list[dict[str, str]]:
    return [{name: record.text(name) for name in COLUMNS} for record in table.records]


def write(path: Path, content: str) -> Path:
    path.write_bytes(content.encode())
    return path


def fault(path: Path) -> str:
    """What is wrong with the file, or with the first illegal row of it."""
    try:
        table = read(path)
        for record in table.records:
            for name in COLUMNS:
                record.text(name)
    except UserError as error:
        return error.problem
    raise AssertionError("nothing was refused")


def test_every_kind_gives_the_same_rows(tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS)
    frame.to_csv(tmp_path / "a.CSV", index=False)
    frame.to_csv(tmp_path / "semicolons.csv", index=False, sep=";")
    frame.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    frame.to_csv(tmp_path / "named_wrongly.txt", index=False)
    frame.to_csv(tmp_path / "tabs.txt", index=False, sep="\t")
    frame.to_csv(tmp_path / "indexed.csv")
    frame.to_parquet(tmp_path / "a.PARQUET")
    frame.to_parquet(tmp_path / "named_wrongly.csv")
    frame.to_json(tmp_path / "records.json", orient="records")
    frame.to_json(tmp_path / "lines.jsonl", orient="records", lines=True)
    frame.to_json(tmp_path / "lines.json", orient="records", lines=True)
    frame.to_json(tmp_path / "columns.json")
    frame.to_json(tmp_path / "lines.txt", orient="records", lines=True)
    write(
        tmp_path / "lists.json",
        frame.to_json(orient="columns")
        .replace('{"0":', "[")
        .replace('"1":', "")
        .replace("},", "],")
        .replace("}}", "]}"),
    )
    write(tmp_path / "named.json", json.dumps({"version": 1, "videos": ROWS}))
    write(tmp_path / "list.jsonl", json.dumps(ROWS, indent=1))
    write(tmp_path / "marked.csv", "\ufeff" + frame.to_csv(index=False))
    write(tmp_path / "upper.csv", frame.rename(columns=str.upper).to_csv(index=False))
    for path in sorted(tmp_path.iterdir()):
        assert texts(read(path)) == TEXTS, path.name


def test_names_of_tables_are_known_in_any_case() -> None:
    assert all(is_table_name(Path(name)) for name in ("a.CSV", "a.tsv", "a.Jsonl", "a.json", "a.parquet"))
    assert not any(is_table_name(Path(name)) for name in ("a", "a.txt", "csv", "a.csv.bak"))


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.csv", "file,caption,n\na,b, c,1\n", "line 2: it has 4 cells for 3 columns"),
        ("a.csv", 'file,caption,n\n"two\nlines",b,1\n\nb,c\n', "line 5: it has 2 cells for 3 columns"),
        ("a.csv", 'file,caption,n\na,"b,1\nb,c,2\n', "line 2: a quoted text has no end"),
        ("a.csv", 'file,caption,n\na,"b" c,1\n', "line 2: text stands after a closing quote"),
        ("a.csv", "file,caption,n\na,b\rc,1\n", "line 2: a carriage return"),
        ("a.csv", f"file,caption,n\na,{'x' * 131_073},1\n", "line 2: a cell has more than 131,072 characters"),
        ("a.csv", "file,caption,file\na,b,c\n", "the column 'file' stands there 2 times"),
        ("a.tsv", "file\tcaption\tn\na\tb\tc\td\n", "line 2: it has 4 cells for 3 columns"),
        ("a.json", '[{"file": "a", "caption": ["b"], "n": 1}]', "entry 1: caption is a list, not a text"),
        ("a.json", '[{"file": "a", "caption": true, "n": 1}]', "entry 1: caption is true or false, not a text"),
        ("a.json", '[{"file": "a", "caption": "b"}, "c"]', "entry 2: it is a text where an object is needed"),
        ("a.json", '[{"file": "a", "File": "b"}]', "entry 1: two of its keys differ only in case"),
        ("a.json", "[1]", "entry 1: it is not an object"),
        ("a.json", '{"n_videos": 3}', "holds the keys n_videos and no list"),
        ("a.json", '{"error": "Repository not found"}', "holds the keys error and no list"),
        ("a.json", '[{"file": "a"', "is not JSON"),
        ("a.jsonl", '{"file": "a"}\n{"file"\n', "line 2: it is not JSON"),
        ("a.jsonl", '{"file": "a"}\n["b"]\n', "line 2: it is not an object"),
        ("a.jsonl", '{"file": "a"}\n{"file": "b", "file": "c"}\n', "line 2: it is not JSON: the key 'file'"),
        ("a.parquet", "file,caption\n", "is not a Parquet file"),
        ("a.parquet", "PAR1 no table", "cannot be read"),
        ("a.txt", "a red cup\n", "is no table"),
        ("a.md", "# Videos\n", "is a .md file, not a table"),
    ],
)  # fmt: skip
def test_what_is_not_legal_is_named_by_its_number(name: str, content: str, named: str, tmp_path: Path) -> None:
    assert named in fault(write(tmp_path / name, content))


@pytest.mark.parametrize(
    ("name", "content", "advice"),
    [
        ("a.tsv", "file\tcaption\na\tb\tc\n", "texts with tabs into double quotes"),
        ("a.csv", "file;caption\na;b;c\n", "texts with semicolons into double quotes"),
        ("a.csv", "file,caption\na,b,c\n", "texts with commas into double quotes"),
        ("a.csv", "file,caption\na\n", "as many cells as the header has"),
    ],
)
def test_the_advice_fits_what_parts_the_cells(name: str, content: str, advice: str, tmp_path: Path) -> None:
    assert advice in read(write(tmp_path / name, content)).records[0].fix


def test_a_parquet_file_that_declares_too_much_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = pa.array(["x" * 10_000]).dictionary_encode()
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 5000, pa.int32()), shared.dictionary)
    pq.write_table(pa.table({"file": column}), tmp_path / "a.parquet")
    assert len(read(tmp_path / "a.parquet").records) == 5000
    assert (tmp_path / "a.parquet").stat().st_size < 50_000
    monkeypatch.setattr(parquet_records, "MOST_BYTES", 49_000_000)
    assert "unpacks to more than 49,000,000 bytes" in fault(tmp_path / "a.parquet")
    monkeypatch.setattr(parquet_records, "MOST_ROWS", 4999)
    assert "declares 5,000 rows, more than 4,999" in fault(tmp_path / "a.parquet")


def test_numbers_of_a_column_with_gaps_stay_integers(tmp_path: Path) -> None:
    pd.DataFrame({"file": ["a", None], "n": [1, None], "caption": [2.5, float("inf")]}).to_parquet(
        tmp_path / "a.parquet"
    )
    assert texts(read(tmp_path / "a.parquet")) == [
        {"file": "a", "n": "1", "caption": "2.5"},
        {"file": "", "n": "", "caption": "inf"},
    ]


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\r\0\ufeff")).map(str.strip), min_size=1, max_size=5
    )
)
def test_any_texts_come_back_from_csv_and_json(tmp_path_factory: pytest.TempPathFactory, captions: list[str]) -> None:
    folder = tmp_path_factory.getbasetemp()
    frame = pd.DataFrame({"file": "a", "caption": captions, "n": range(len(captions))})
    frame.to_csv(folder / "any.csv", index=False, lineterminator="\n")
    write(folder / "any.json", json.dumps(frame.to_dict("records")))
    for name in ("any.csv", "any.json"):
        assert [row["caption"] for row in texts(read(folder / name))] == captions


def test_numbers_are_read_as_numbers_and_a_text_in_their_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1.5,\n-2e3,much\n")
    first, second = read_table(tmp_path / "t.csv", what="table", fix="Mend it.", columns=("a", "b")).records
    assert (first.number("a", "Mend it."), first.number("b", "Mend it.")) == (1.5, None)
    assert second.number("a", "Mend it.") == -2000.0
    with pytest.raises(UserError, match="line 3: b is 'much', not a number") as refused:
        second.number("b", "Make it again.")
    assert refused.value.fix == "Make it again."
