"""CSV text: what a spreadsheet must not carry out, and numbers as they are."""

import csv
import io

import pytest

from suture.reporting.spreadsheet import csv_text


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-2", "@SUM(A1)", "\t=1", "  @x", "\n=1"])
def test_text_that_looks_like_a_formula_is_no_formula(name):
    assert read(csv_text([name], [[name, "plain"]])) == [[f"'{name}"], [f"'{name}", "plain"]]


def test_a_carriage_return_starts_no_line():
    assert read(csv_text(["a\r=1"], [["\r=2"]])) == [["a =1"], ["' =2"]]


def test_all_else_comes_back_as_it_was():
    cells = ["a,b", 'say "no"', "two\nlines", "ä", "", "a=b"]
    text = csv_text(["x"] * 6, [cells, [-1.5, 0, 3, None, 1e-9, -2]])
    assert read(text)[1:] == [cells, ["-1.5", "0", "3", "", "1e-09", "-2"]]
    assert csv_text(["x"], [[1]]) == "x\n1\n"
