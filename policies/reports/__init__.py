"""Verdicts as people and machines read them. Pure: a verdict in, a text out."""

from policies.reports.markdown import render_markdown
from policies.reports.plain import render_text
from policies.reports.records import render_json
from policies.reports.sarif import SpecFile, render_sarif

__all__ = ["SpecFile", "render_json", "render_markdown", "render_sarif", "render_text"]
