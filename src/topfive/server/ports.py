"""Whether the ports can be listened on, asked before anything slow is begun."""

from topfive.machine.ports import next_free_port, port_problem
from topfive.settings import Settings, variable_name


def port_mistakes(settings: Settings) -> list[str]:
    """List what is wrong with the ports to listen on, each with what would do."""
    asked_for = {"port": settings.port, "metrics_port": settings.metrics_port}
    # With 0 the system takes a free one.
    ports = {field: port for field, port in asked_for.items() if port}
    if len(set(ports.values())) < len(ports):
        return [f"TOPFIVE_METRICS_PORT={settings.metrics_port} is the main port too. Set another."]
    return [
        _describe(problem, settings.host, field, port)
        for field, port in ports.items()
        if (problem := port_problem(settings.host, port)) is not None
    ]


def _describe(problem: str, host: str, field: str, port: int) -> str:
    name = variable_name(field)
    if problem == "in use":
        return f"Port {port} is in use. {name}={next_free_port(host, port)} make run"
    return (
        f"Port {port} of {host} cannot be listened on: {problem}. Correct {name} or TOPFIVE_HOST."
    )
