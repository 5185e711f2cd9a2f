"""The contract of Notion, for programs without async."""

from __future__ import annotations

from pegboard.sync import Blocking, blocking, twin_of

from . import contract


@twin_of(contract.Notion)
class Notion(Blocking):
    """A Notion workspace; see ``pegboard_notion.contract.Notion``."""

    search = blocking(contract.Notion.search)
    search_sources = blocking(contract.Notion.search_sources)
    read_database = blocking(contract.Notion.read_database)
    read_source = blocking(contract.Notion.read_source)
    query = blocking(contract.Notion.query)
    read_page = blocking(contract.Notion.read_page)
    read_content = blocking(contract.Notion.read_content)
    create_row = blocking(contract.Notion.create_row)
    create_page = blocking(contract.Notion.create_page)
    update_page = blocking(contract.Notion.update_page)
    append_blocks = blocking(contract.Notion.append_blocks)
    replace_content = blocking(contract.Notion.replace_content)
    trash_page = blocking(contract.Notion.trash_page)
    restore_page = blocking(contract.Notion.restore_page)
    create_database = blocking(contract.Notion.create_database)
    update_database = blocking(contract.Notion.update_database)
    update_source = blocking(contract.Notion.update_source)
