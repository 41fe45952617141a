"""Carries an Open WebUI's data from SQLite and Chroma into PostgreSQL. Runs with the installation's own Python.

``python -m webui_migrate COMMAND``: the request is one JSON object on stdin, the answers are JSON lines on stdout.
Map:

- ``messages``  what requests and answers contain
- ``answers``   writes the answers
- ``tables/``   the tables: SQLite into PostgreSQL
- ``vectors/``  the collections: Chroma into pgvector
"""
