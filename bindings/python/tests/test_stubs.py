"""The type stubs say what the module has: every class, member and parameter, and nothing else."""

import ast
import inspect
from importlib.resources import files

import pytest

import foretaste as ft
from foretaste import _native

STUB = ast.parse(files(ft).joinpath("_native.pyi").read_text())
# Those that only the stub names.
TYPES_ALONE = {"Bar", "FieldOptions", "FieldRequired", "Figures", "ReportFigures", "TextOptions"}
# What every object has, or Python makes from another.
GIVEN = {name for name in dir(object)} | {"__module__", "__next__", "__iter__"}


def told():
    """The stub's functions, and the members of its classes, each with its definitions."""
    functions, classes = {}, {}
    for node in STUB.body:
        if isinstance(node, ast.FunctionDef):
            functions.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.ClassDef) and node.name not in TYPES_ALONE:
            members = classes.setdefault(node.name, {})
            for member in node.body:
                if isinstance(member, ast.FunctionDef):
                    members.setdefault(member.name, []).append(member)
    return functions, classes


FUNCTIONS, CLASSES = told()


def parameters(node):
    """Names with their kinds and whether they may be left out, as the stub has them."""
    args = node.args
    positional = args.posonlyargs + args.args
    optional = len(positional) - len(args.defaults)
    named = [(a.arg, at >= optional) for at, a in enumerate(positional) if a.arg != "self"]
    return named, [(a.arg, default is not None) for a, default in zip(args.kwonlyargs, args.kw_defaults)]


def same(node, function, where):
    named, keywords = parameters(node)
    found = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    if any(p.kind is p.VAR_KEYWORD for p in found):
        # Its parameters depend on the first one; the stub lists them all.
        found, keywords = [p for p in found if p.kind is not p.VAR_KEYWORD], []
    optional = lambda p: p.default is not p.empty
    of = lambda kinds: [(p.name, optional(p)) for p in found if p.kind in kinds]
    kind = inspect.Parameter
    assert of((kind.POSITIONAL_ONLY, kind.POSITIONAL_OR_KEYWORD)) == named, where
    # Of overloads one may ask for what the others leave out.
    assert [name for name, _ in of((kind.KEYWORD_ONLY,))] == [name for name, _ in keywords], where


def test_everything_is_exported_and_told():
    classes = {name for name, value in vars(_native).items() if inspect.isclass(value)}
    functions = {name for name, value in vars(_native).items() if inspect.isbuiltin(value)}
    assert classes == set(CLASSES) and functions == set(FUNCTIONS)
    assert classes | functions | {"__version__"} <= set(ft.__all__)
    assert all(getattr(ft, name) is not None for name in ft.__all__)
    assert files(ft).joinpath("py.typed").is_file()


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_functions_are_as_told(name):
    for node in FUNCTIONS[name]:
        same(node, getattr(_native, name), name)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_classes_are_as_told(name):
    kind, members = getattr(_native, name), CLASSES[name]
    public = {member for member in dir(kind) if not member.startswith("_")}
    assert public == {member for member in members if not member.startswith("_")}
    for member in set(vars(kind)) - GIVEN - public - {"__doc__", "__new__", "__repr__"}:
        assert member in members, f"{name}.{member}"
    for member, nodes in members.items():
        is_property = any(getattr(d, "id", None) == "property" for d in nodes[0].decorator_list)
        assert inspect.isdatadescriptor(vars(kind).get(member)) == is_property, f"{name}.{member}"
        for node in nodes:
            if member == "__init__":
                same(node, kind, name)
            elif not member.startswith("_") and not is_property:
                same(node, getattr(kind, member), f"{name}.{member}")


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_class_and_method_is_documented(name):
    kind = getattr(_native, name)
    assert kind.__doc__
    for member in CLASSES[name]:
        if not member.startswith("_"):
            assert getattr(kind, member).__doc__, f"{name}.{member}"
