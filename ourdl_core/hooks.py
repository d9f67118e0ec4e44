"""Hooks: one event, many listeners (pluggy). A listener is a module that the group ``ourdl.plugins`` names."""

from __future__ import annotations

from typing import Any

from ourdl_core.registry import Registry


def hookimpl(function: Any) -> Any:
    """Mark a function of a plugin as a listener to the event of its name."""
    import pluggy

    return pluggy.HookimplMarker("ourdl")(function)


class Hooks:
    """The listeners installed; imported, and pluggy with them, when the first event is about to happen."""

    def __init__(self) -> None:
        self.registry = Registry("ourdl.plugins", noun="plugin")
        self._manager: Any = None

    @property
    def manager(self) -> Any:
        """The pluggy manager, with every plugin registered; one that cannot be imported is left out with a warning."""
        if self._manager is None:
            import pluggy

            from ourdl_core import hookspecs

            self._manager = pluggy.PluginManager("ourdl")
            self._manager.add_hookspecs(hookspecs)
            self._load()
        return self._manager

    def _load(self) -> None:
        import warnings

        from ourdl_core.errors import BrokenOpError, OpWarning

        for entry in self.registry.entries():
            try:
                self._manager.register(self.registry.load(entry), name=entry.id)
            except BrokenOpError as error:
                warnings.warn(str(error), OpWarning, stacklevel=4)

    def register(self, plugin: object) -> None:
        """Add a listener for the life of the process."""
        self.manager.register(plugin)

    def unregister(self, plugin: object) -> None:
        """Remove a listener."""
        self.manager.unregister(plugin)

    def listeners(self, name: str) -> list[Any]:
        """Who listens to ``name``; nothing is imported while no plugin is installed or registered."""
        if self._manager is None and not self.registry.entries():
            return []
        return list(getattr(self.manager.hook, name).get_hookimpls())

    def call(self, name: str, **arguments: Any) -> None:
        """Tell every listener of ``name``. One that fails is told of in a warning and stops nothing."""
        for plugin in self.listeners(name):
            try:
                plugin.function(**{word: arguments[word] for word in plugin.argnames})
            except (Exception, SystemExit) as error:
                import warnings

                from ourdl_core.errors import OpWarning

                message = f"the plugin {plugin.plugin_name} failed in {name}: {type(error).__name__}: {error}"
                warnings.warn(message, OpWarning, stacklevel=3)


hooks = Hooks()
