"""The examples for several hosts fit the hub: its settings, its paths, its ports and its rights in Valkey."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.valkeys import self_signed

ROOT = Path(__file__).parents[2]
HOSTS = ROOT / "examples" / "hosts"


def services(name: str) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = yaml.safe_load((HOSTS / name).read_text())["services"]
    return found


def test_what_the_app_hosts_set_are_settings() -> None:
    explained = (ROOT / ".env.example").read_text()
    for service in services("app.yaml").values():
        environment = service["environment"]
        assert isinstance(environment, dict)
        assert {name for name in environment if f"{name}=" not in explained} == set()
        assert environment["HUB_ENV"] == "production"


def test_the_hub_may_do_in_that_valkey_what_it_may_in_the_one_of_a_single_host() -> None:
    def rights(file: Path) -> list[str]:
        command = yaml.safe_load(file.read_text())["services"]["valkey"]["command"]
        return [word for word in command if word[:1] in "~&+-@" and not word.startswith("--")]

    assert rights(HOSTS / "data.yaml") == rights(ROOT / "compose.yaml")


def test_the_figures_that_operators_are_told_to_watch_exist() -> None:
    text = (ROOT / "docs" / "scaling.md").read_text()
    code = "".join(file.read_text() for folder in ("hub", "handlers") for file in (ROOT / folder).glob("*.py"))
    told = set(re.findall(r"`(hub_[a-z_]+)`", text))
    assert len(told) > 10
    assert {name for name in told if f'"{name}"' not in code} == set()


def test_no_secret_has_a_value() -> None:
    for file in HOSTS.glob("*.yaml"):
        for name in re.findall(r"\$\{(\w*(?:SECRET|PASSWORD|KEY)\w*)(?!\w|:\?|})", file.read_text()):
            pytest.fail(f"{file.name} has a default for {name}")


def test_the_proxy_waits_longer_than_the_hub_pings_and_gives_up_connections_sooner() -> None:
    from handlers.patience import SECONDS_AT_REST
    from hub.live.wire import PING_SECONDS

    text = (HOSTS / "nginx.conf").read_text()
    sockets = text[text.index("location /socket.io/") :]
    found = re.search(r"proxy_read_timeout (\d+)s", sockets)
    assert found is not None
    assert int(found[1]) > 2 * PING_SECONDS
    upstream = re.search(r"upstream hub \{.*?keepalive_timeout (\d+)s", text, re.DOTALL)
    assert upstream is not None
    assert int(upstream[1]) < SECONDS_AT_REST


def test_no_place_of_the_proxy_loses_the_headers_of_all() -> None:
    text = (HOSTS / "nginx.conf").read_text()
    places = re.findall(r"^ +location [^{]*\{[^}]*\}", text, re.MULTILINE)
    assert len(places) == text.count("\n        location ")
    assert [place for place in places if "proxy_set_header" in place] == []


@pytest.mark.skipif(shutil.which("nginx") is None, reason="there is no nginx here to ask")
def test_nginx_takes_the_configuration(tmp_path: Path) -> None:
    self_signed(tmp_path)
    text = (HOSTS / "nginx.conf").read_text().replace("/etc/hub/", f"{tmp_path}/")
    file = tmp_path / "nginx.conf"
    file.write_text(re.sub(r"server app-\d:", "server 127.0.0.1:", text))
    asked = subprocess.run(["nginx", "-t", "-c", str(file)], capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr
