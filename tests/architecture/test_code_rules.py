"""Rules of the house that a linter does not know."""

import ast
import re

import pytest

from tests.architecture.source_tree import Module, modules, nodes

MODULE_LINES = 300
FUNCTION_LINES = 60
GEOMETRY_NUMBERS = {1560, 4680, 32760}  # tokens of a Wan 480p frame, chunk and 5 s video
GEOMETRY_LENGTHS = {21, 81, 480, 832, 104}  # latent frames and frames of a 5 s video, sides of Wan 480p
GEOMETRY_SIZES = {(60, 104), (480, 832), (8, 8), (32, 32)}  # latent frames and frames of Wan 480p and the sprite world
GEOMETRY_HOME = "probekit.models.presets"
SIZE_HOMES = (GEOMETRY_HOME, "probekit.suites", "probekit.sprite_world")
GLOBAL_RANDOM = re.compile(r"(np|numpy)\.random\.(?!default_rng)[a-z]\w*|random\.[a-z]\w*")
COMMAND_LINE = re.compile(r"(probekit|trainer)\.cli(\.|$)")
CONFIG_LIKE = re.compile("config|args|cfg", re.IGNORECASE)


@pytest.mark.long
def test_modules_stay_small() -> None:
    lines = {module.name: len(module.text.splitlines()) for module in modules()}
    assert {name: count for name, count in lines.items() if count > MODULE_LINES} == {}


def test_functions_stay_small() -> None:
    found = {
        module.where(node): node.end_lineno - node.lineno + 1
        for module in modules()
        for node in nodes(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None
    }
    assert {place: count for place, count in found.items() if count > FUNCTION_LINES} == {}


def test_libraries_do_not_print() -> None:
    """The command line may use a rich console; everything else hands its results to the caller."""
    guilty = [
        module.where(call)
        for module, call in _calls()
        if _name(call.func) == "print" and (isinstance(call.func, ast.Name) or not COMMAND_LINE.match(module.name))
    ]
    assert guilty == []


def test_what_commands_write_goes_through_the_terminal_module() -> None:
    """There texts of files are made visible, so that none acts on the terminal."""
    guilty = [
        module.where(call)
        for module, call in _calls()
        if module.name != "probekit.cli.terminal"
        and ast.unparse(call.func) in {"typer.echo", "click.echo", "logging.basicConfig", "sys.stdout.write"}
    ]
    assert guilty == []


def test_files_of_users_are_read_by_the_careful_readers() -> None:
    """What these calls read is checked for nothing: encoding, depth, size, repeated keys, rows of another length."""
    naive = {"csv.reader", "csv.DictReader", "yaml.safe_load", "yaml.load", "json.load", "pd.read_csv", "pd.read_json"}
    guilty = [
        module.where(call)
        for module, call in _calls()
        if ast.unparse(call.func) in naive
        and not module.name.startswith("probekit.user_files")
        and module.name != "probekit.reporting.paper_reference"  # reads tables of this package
    ]
    assert guilty == []


def test_no_getattr_on_a_configuration() -> None:
    guilty = [
        module.where(call)
        for module, call in _calls()
        if _name(call.func) in {"getattr", "hasattr"} and call.args and CONFIG_LIKE.search(_name(call.args[0]))
    ]
    assert guilty == []


def test_configurations_are_strict_models() -> None:
    """One base refuses unknown keys and changes; files of other projects alone may hold keys that are not ours."""
    of_others = {"probekit.models.component_configs"}
    guilty = [
        module.where(node)
        for module in modules()
        if module.name not in {"probekit.config", *of_others}
        for node in nodes(module)
        if isinstance(node, ast.ClassDef) and any(_name(base) == "BaseModel" for base in node.bases)
    ]
    assert guilty == []


def test_geometry_numbers_stand_only_in_presets() -> None:
    guilty = [
        module.where(node)
        for module in modules()
        if module.name != GEOMETRY_HOME
        for node in nodes(module)
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value in GEOMETRY_NUMBERS
    ]
    assert guilty == []


def test_lengths_and_sides_stand_only_in_presets_suites_and_the_sprite_world() -> None:
    guilty = [
        module.where(node)
        for module in modules()
        if not module.name.startswith(SIZE_HOMES)
        for node in nodes(module)
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value in GEOMETRY_LENGTHS
    ]
    assert guilty == []


def test_sizes_of_frames_stand_only_in_presets_suites_and_the_sprite_world() -> None:
    guilty = [
        module.where(node)
        for module in modules()
        if not module.name.startswith(SIZE_HOMES)
        for node in nodes(module)
        if isinstance(node, ast.Tuple | ast.List) and _numbers(node) in GEOMETRY_SIZES
    ]
    assert guilty == []


def test_only_the_presets_tell_a_model_by_the_width_of_its_text() -> None:
    """`family_of` tells Wan from the sprite world; a threshold elsewhere would be a second answer.

    Two widths of one model may be held against each other: neither is a constant.
    """
    guilty = [
        module.where(node)
        for module in modules()
        if module.name != GEOMETRY_HOME
        for node in nodes(module)
        if isinstance(node, ast.Compare) and "text_dim" in ast.unparse(node) and _has_constant(node)
    ]
    assert guilty == []


def _has_constant(node: ast.Compare) -> bool:
    sides = [node.left, *node.comparators]
    names = [side.id for side in sides if isinstance(side, ast.Name)]
    return any(isinstance(side, ast.Constant) for side in sides) or any(name.isupper() for name in names)


def test_a_literal_size_would_be_found() -> None:
    found = ast.walk(ast.parse("rows, columns = (60, 104) if wan else [480, 832]"))
    assert {_numbers(node) for node in found if isinstance(node, ast.Tuple | ast.List)} == {(60, 104), (480, 832), ()}


def _numbers(node: ast.Tuple | ast.List) -> tuple[object, ...]:
    values = tuple(item.value for item in node.elts if isinstance(item, ast.Constant))
    return values if len(values) == len(node.elts) else ()


def test_no_broad_except_but_where_libraries_read_files_of_the_user() -> None:
    """`library_errors.reading` is the one place: tokenizers raises `Exception` itself on a damaged file."""
    guilty = [
        module.where(node.body[0])
        for module in modules()
        if module.name != "probekit.library_errors"
        for node in nodes(module)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or _name(node.type) in {"Exception", "BaseException"})
    ]
    assert guilty == []


def test_weights_load_strictly_and_without_pickle() -> None:
    loose = [
        module.where(call)
        for module, call in _calls()
        if _name(call.func) in {"load_state_dict", "load_model"} and _keyword(call, "strict") is False
    ]
    pickled = [
        module.where(call)
        for module, call in _calls()
        if ast.unparse(call.func) == "torch.load" and _keyword(call, "weights_only") is not True
    ]
    assert loose + pickled == []


def test_divergence_is_not_hidden() -> None:
    assert _calls_of("nan_to_num") == []


def test_random_numbers_are_seeded() -> None:
    """NumPy's and Python's global generators, and unseeded ones, make results depend on the order of calls."""
    named = [(module.where(call), ast.unparse(call.func), call.args) for module, call in _calls()]
    from_global = [place for place, name, _ in named if GLOBAL_RANDOM.fullmatch(name)]
    unseeded = [place for place, name, arguments in named if name.endswith("default_rng") and not arguments]
    assert from_global + unseeded == []


def _calls() -> list[tuple[Module, ast.Call]]:
    return [(module, node) for module in modules() for node in nodes(module) if isinstance(node, ast.Call)]


def _calls_of(name: str) -> list[str]:
    return [module.where(call) for module, call in _calls() if _name(call.func) == name]


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _keyword(call: ast.Call, name: str) -> object:
    values = [keyword.value for keyword in call.keywords if keyword.arg == name]
    return values[0].value if values and isinstance(values[0], ast.Constant) else None


def test_each_attribute_is_assigned_on_a_line_of_its_own() -> None:
    """Unpacking one value is a line; several values packed to be unpacked again are as many lines."""
    guilty = [
        module.where(node)
        for module in modules()
        for node in nodes(module)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple) and _attributes(node) > 1
    ]
    assert guilty == []


def _attributes(node: ast.Assign) -> int:
    targets = [part for target in node.targets if isinstance(target, ast.Tuple) for part in target.elts]
    return sum(isinstance(target, ast.Attribute) for target in targets)


def test_tables_are_rendered_in_one_place() -> None:
    """`Table` writes CSV, Markdown and LaTeX; no other module puts their lines together."""
    marks = re.compile(r"csv\.writer|[\"']\| *---|toprule|markdown_line\(|latex_line\(")
    found = {module.name for module in modules() if marks.search(module.text)}
    assert found - {"probekit.reporting.markup"} == {"probekit.reporting.table"}


def test_a_fix_is_a_sentence() -> None:
    """What a `UserError` advises begins with a capital and ends with a full stop or a question mark."""
    guilty = [
        f"{module.where(node)}: {begin!r} ... {end!r}"
        for module in modules()
        for node in nodes(module)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Error") and len(node.args) == 2
        for begin, end in _ends(node.args[1])
        if begin[:1].islower() or (end and not end.endswith((".", "?")))
    ]
    assert guilty == []


def test_ends_of_texts_are_found_in_all_their_forms() -> None:
    assert _ends(_parsed("'a' if x else f'B {y}.'")) == [("a", "a"), ("B ", ".")]
    assert _ends(_parsed("f'{x} b' 'c'")) == [("", " bc")]
    assert _ends(_parsed("fix")) == []


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _ends(text: ast.expr) -> list[tuple[str, str]]:
    """Literal beginning and end of a text; empty where a value stands, nothing where the text is no literal."""
    match text:
        case ast.IfExp():
            return [*_ends(text.body), *_ends(text.orelse)]
        case ast.Constant(value=str(value)):
            return [(value, value)]
        case ast.JoinedStr(values=[first, *_]):
            parts = [part.value if isinstance(part, ast.Constant) else "" for part in (first, text.values[-1])]
            return [(str(parts[0]), str(parts[1]))]
    return []
