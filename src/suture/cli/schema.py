"""``suture schema``."""

import sys
from json import dumps

from suture.cli.app import app


@app.command(rich_help_panel="Look")
def schema() -> None:
    """Print the JSON schema of recipes, with which editors complete and check them.

    Examples:

      suture schema > recipe.schema.json

      # yaml-language-server: $schema=recipe.schema.json    (first line of a recipe, in many editors)
    """
    from suture.recipes.schema import schema as told

    sys.stdout.write(dumps(told(), indent=2) + "\n")
