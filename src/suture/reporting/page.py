"""One HTML file that shows a search and opens offline."""

from pathlib import Path
from typing import Any

from suture.reporting.card import lines, sentence, unit
from suture.reporting.html import embedded, rendered

TEMPLATE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{{ result.run }} · Suture</title>
{{ style }}
<h1>{{ result.parents.values()|map(attribute="source")|join(" → ") }}</h1>
<p class="lead">{{ sentence }}</p>
<div class="wide"><table>
<tr><th></th><th>network or cut</th><th class="n">accuracy</th><th class="n">cross-entropy</th>
<th class="n">parameters</th><th class="n">MACs</th></tr>
{% for row in rows %}<tr{% if row.what == "best hybrid" %} class="best"{% endif %}><td>{{ row.what }}</td>
<td>{{ row.name }}</td><td class="n">{{ "%.1f %%"|format(100 * row.accuracy) }}</td>
<td class="n">{{ "%.3f"|format(row.cross_entropy) }}</td><td class="n">{{ "{:,}".format(row.parameters) }}</td>
<td class="n">{{ "%.1f M"|format(row.macs / 1e6) }}</td></tr>
{% endfor %}</table></div>
<p>{{ result.n }} test images of {{ result.data }}; choices were made on {{ result.n_val }} validation images;
{{ "{:,.0f}".format(result.cost_fpe) }} FPE in all ({{ unit }}).
{% for note in result.notes %}{{ note }}. {% endfor %}</p>
{% for figure in figures %}<figure><img alt="{{ figure.caption }}" src="{{ figure.data }}">
<figcaption>{{ figure.caption }}</figcaption></figure>
{% endfor %}<h2>Recipe</h2><pre>{{ recipe }}</pre>
</html>
"""


def page(result: dict[str, Any], recipe: str, plots: Path) -> str:
    """The page as text; every value is escaped, every picture is inside."""
    figures = [
        {"caption": caption, "data": embedded(plots / name)}
        for name, caption in captions(len(result["parents"])).items()
        if (plots / name).exists()
    ]
    told = {"sentence": sentence(result), "rows": lines(result), "unit": unit(result)}
    return rendered(TEMPLATE, result=result, figures=figures, recipe=recipe, **told)


def captions(parents: int) -> dict[str, str]:
    """What is under each picture, in the order in which they are shown."""
    return {
        "hybrid.png": "What the hybrid is made of: coloured blocks run, pale ones were cut away.",
        "heatmap.png": "Every pair of cuts, stitched in closed form without training. The framed cells are the pair "
        "that was chosen and the baseline's.",
        **{
            f"heatmap{k}.png": "Every way to go on from there to the next network, fitted in closed form as well."
            for k in range(2, parents)
        },
        "accuracy.png": "The test images, looked at once, at the end.",
        "curves.png": "The hybrids that were trained.",
    }
