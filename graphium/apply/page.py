"""Our templates of pages."""

import jinja2


def page_templates() -> jinja2.Environment:
    """Return the templates; what is put into them is escaped, but for our own drawings."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("graphium.apply", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
