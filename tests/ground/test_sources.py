"""The source of a result is its code and what that imports; words about the code are no part of it."""

import pytest

from d3s_utils.ground import sources


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A function that writes modules of a package called `house` and forgets what was known of it."""
    monkeypatch.setattr(sources.paths, "PACKAGE", tmp_path / "house")
    monkeypatch.setattr(sources, "NAME", "house")
    monkeypatch.setattr(sources, "PLUMBING", frozenset({"house.files"}))

    def write(**modules):
        for name, text in modules.items():
            path = tmp_path.joinpath("house", *name.split("__")).with_suffix(".py")
            path = path.with_name(path.name.replace("init.py", "__init__.py"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for known in (sources.modules, sources.imports, sources.reached, sources._digest, sources._tree):
            known.cache_clear()

    yield write
    for known in (sources.modules, sources.imports, sources.reached, sources._digest, sources._tree):
        known.cache_clear()


@pytest.fixture
def house(package):
    package(
        a="from house.room import b\nfrom house.room.c import late\nfrom house import files\n",
        files="import house.d\n",
        room__b="def f():\n    '''Says something.'''\n    from house import d\n    return 1  # one\n",
        room__c="late = 1\n",
        d="x = 1\n",
        e="y = 1\n",
    )
    package(room__init="from house.room.c import late\n")
    return package


def test_imports_are_found_at_the_top_and_inside_functions(house):
    assert sources.imports("house.a") == {"house.room.b", "house.room.c", "house.files"}
    assert sources.imports("house.room.b") == {"house.d"}
    assert sources.reached("house.a") == {"house.a", "house.room.b", "house.room.c", "house.files", "house.d"}


def test_a_name_handed_on_by_a_room_belongs_to_the_module_that_made_it(house):
    house(a="from house.room import late\n")
    assert sources.imports("house.a") == {"house.room.c"}


def test_a_module_that_finds_the_files_of_its_folder_imports_them_all(house):
    house(room__table="import pkgutil\n", a="from house.room.table import rows\n")
    assert sources.imports("house.room.table") == {"house.room.b", "house.room.c"}
    assert sources.reached("house.a") == {"house.a", "house.d", *(f"house.room.{name}" for name in ("table", "b", "c"))}


def test_code_changes_with_what_it_reaches_and_with_nothing_else(house):
    before = sources.code_of("house.a")
    house(e="y = 2\n")
    house(files="import house.e\n")
    assert sources.code_of("house.a") == before, "a stranger, and plumbing"
    house(d="x = 2\n")
    assert sources.code_of("house.a") != before, "reached through an import inside a function"


def test_words_are_no_code(house):
    before = sources.code_of("house.room.b")
    house(room__b="'''A room.'''\n\ndef f():\n    from house import d\n\n    # one\n    return 1\n")
    assert sources.code_of("house.room.b") == before
    house(room__b="def f():\n    from house import d\n    return 2\n")
    assert sources.code_of("house.room.b") != before


def test_what_stands_beside_is_left_out(house):
    before = sources.code_of("house.a", beside=["house.room.b"])
    house(d="x = 3\n")
    assert sources.code_of("house.a", beside=["house.room.b"]) == before != sources.code_of("house.a")


def test_a_function_stands_for_its_module():
    assert sources.code_of(sources.code_of) == sources.code_of("d3s_utils.ground.sources")
