"""A project's modules, imported without being seen by, or seeing, other projects' modules of the same names.

While a project is active its modules stand in `sys.modules` in front of all others; afterwards only the project has
them. They live on: each carries its own `__import__`, so that an import inside one of their functions, whenever and in
whatever thread it runs, finds the project's modules again.
"""

from __future__ import annotations

import builtins
import importlib
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any


class IsolatedProject:
    """The importable modules of some folders. Each instance imports them anew."""

    def __init__(self, folders: Iterable[Path], names: Iterable[str] = ()) -> None:
        """`names` are top-level names that are the project's whatever else is installed."""
        folders = list(folders)
        self.folders = [str(folder) for folder in folders]
        self.names = {*names, *(name for folder in folders for name in _importable_names(folder))}
        self.modules: dict[str, ModuleType] = {}
        self._depth = 0
        self._builtins = {**vars(builtins), "__import__": self._import}
        importlib.invalidate_caches()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Inside, imports and pickles find the project's modules; one thread at a time."""
        with _importing:
            if self._depth:
                yield
                return
            hidden = self._take_out()
            sys.modules.update(self.modules)
            sys.meta_path.insert(0, self)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                sys.meta_path.remove(self)
                self.modules = self._take_out()
                sys.modules.update(hidden)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What `sys.meta_path` asks: where a module lies, if it is the project's."""
        if name.partition(".")[0] not in self.names:
            return None
        found = PathFinder.find_spec(name, self.folders if path is None else path, target)
        if found is not None and type(found.loader) is SourceFileLoader:
            found.loader = _Loader(found.loader.name, found.loader.path, self._builtins)
        return found

    def _take_out(self) -> dict[str, ModuleType]:
        mine = [name for name in list(sys.modules) if name.partition(".")[0] in self.names]
        return {name: sys.modules.pop(name) for name in mine}

    def _import(
        self, name: str, globals: Any = None, locals: Any = None, fromlist: Sequence[str] = (), level: int = 0
    ) -> ModuleType:
        if level == 0 and name.partition(".")[0] not in self.names:
            return builtins.__import__(name, globals, locals, fromlist, level)
        with self.active():
            return builtins.__import__(name, globals, locals, fromlist, level)


class _Loader(SourceFileLoader):
    """Gives a module its project's `__import__`; neither writes nor trusts bytecode, which no digest vouches for."""

    def __init__(self, name: str, path: str, own_builtins: dict[str, Any]) -> None:
        super().__init__(name, path)
        self._builtins = own_builtins

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = self._builtins
        super().exec_module(module)

    def path_stats(self, path: str) -> Mapping[str, Any]:
        raise OSError  # the import system's own sign that there is no bytecode for a source


_importing = threading.RLock()


def _importable_names(folder: Path) -> Iterator[str]:
    """The top-level names a folder gives, by Python's own rules of what stands before what."""
    for path in folder.iterdir() if folder.is_dir() else ():
        name = path.stem if path.suffix == ".py" else path.name
        if name.startswith((".", "__")) or name in sys.builtin_module_names:
            continue
        if path.suffix == ".py" or (path / "__init__.py").is_file() or _is_namespace(path):
            yield name


def _is_namespace(path: Path) -> bool:
    holds_code = path.is_dir() and (any(path.glob("*.py")) or any(path.glob("*/*.py")))
    return holds_code and PathFinder.find_spec(path.name) is None
