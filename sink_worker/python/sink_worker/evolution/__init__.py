"""Schema evolution: what of a source's changes a table takes by itself, what a person has to judge, and what then happens.

model, types, classify  pure: wanted columns against present ones
ddl                     pure: the statements
store                   the worker's own tables: what was seen, reviews, audit
fitting                 one segment's columns against its table, for :mod:`sink_worker.tables`
reviews                 list_pending, approve, reject: for the command line and for other programs
indexes, steward        beside the rows: declared indexes, the audit topic, the gauges
"""
