"""What the documents quote is what is there."""

import re

from deploy.local.layout import PROJECT


def test_the_example_of_the_delivery_core_is_the_one_that_runs():
    [quoted] = re.findall(r"```python\n(.*?)```", (PROJECT / "docs" / "delivery.md").read_text(), re.DOTALL)
    assert quoted in (PROJECT / "examples" / "balances" / "__init__.py").read_text()
    assert len(quoted.splitlines()) < 60


def test_links_between_documents_lead_somewhere():
    for page in [PROJECT / "README.md", *(PROJECT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
