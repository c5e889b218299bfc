"""One HTML file that shows how alike the layers of two networks are, and opens offline."""

from pathlib import Path
from typing import Any

from suture.reporting.html import embedded, rendered
from suture.reporting.similarity import best_rows, looked_at, measured, variant

TEMPLATE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{{ result.a }} × {{ result.b }} · Suture</title>
{{ style }}
<h1>How alike are the layers of {{ result.a }} and {{ result.b }}?</h1>
<p class="lead">{{ looked_at }}.</p>
{% if result.pairs %}<div class="wide"><table>
<tr><th>layer of A</th><th>layer of B</th>{% for heading in columns.values() %}<th class="n">{{ heading }}</th>
{% endfor %}</tr>
{% for pair in result.pairs %}<tr><td>{{ pair.a }}</td><td>{{ pair.b }}</td>
{% for name in columns %}<td class="n">{{ measured(pair[name]) }}</td>{% endfor %}</tr>
{% endfor %}</table></div>
{% endif %}{% for one in shown %}<h2>{{ one.name }}</h2>
<p>{{ one.variant }}.</p>
<figure><img alt="{{ one.name }} of every layer of A with every layer of B" src="{{ one.picture }}">
<figcaption>A upward, B to the right, both from the input on; the brighter, the more alike.</figcaption></figure>
{% if not result.pairs %}<div class="wide"><table>
<tr><th>layer of A</th><th>most like it in B</th><th class="n">{{ one.name }}</th>
{% if one.permuted %}<th class="n">p</th>{% endif %}</tr>
{% for row in one.rows %}<tr><td>{{ row.a }}</td><td>{{ row.b }}</td><td class="n">{{ row.value }}</td>
{% if one.permuted %}<td class="n">{{ row.p }}</td>{% endif %}</tr>
{% endfor %}</table></div>
{% endif %}{% endfor %}<h2>Recipe</h2><pre>{{ recipe }}</pre>
</html>
"""


def similarity_page(result: dict[str, Any], recipe: str, plots: Path) -> str:
    """The page of a result of compare as text; every value is escaped, every picture is inside."""
    shown = [
        {
            "name": name,
            "variant": variant(told),
            "picture": embedded(plots / f"{name}.png"),
            "permuted": told["permutations"],
            "rows": best_rows(told),
        }
        for name, told in result["measures"].items()
    ]
    columns: dict[str, str] = {}
    for name, told in result["measures"].items():
        columns |= {name: name, f"{name}__p": "p"} if told["permutations"] else {name: name}
    told = {"looked_at": looked_at(result), "columns": columns, "shown": shown, "measured": measured}
    return rendered(TEMPLATE, result=result, recipe=recipe, **told)
