"""Settings are read once, and refused in one sentence when they do not fit."""

import dataclasses
import re
import stat
from pathlib import Path
from threading import Thread

import pytest

from hub.settings import Settings, SettingsRefused, kept_secret, read_env_file

DRAWN = "kX9vQ2mZ7rT4wB8nC1sJ6hL3pD5fG0aE"
PRODUCTION = {
    "HUB_ENV": "production",
    "HUB_SECRET": DRAWN,
    "DATABASE_URL": "postgresql://hub@database/hub",
    "REDIS_URL": "redis://redis:6379/0",
}
STRIPE = {
    "HUB_STRIPE_SECRET_KEY": "sk_test_hunter2",
    "HUB_STRIPE_PUBLISHABLE_KEY": "pk_test_1",
    "HUB_STRIPE_WEBHOOK_SECRET": "whsec_hunter2",
}
EXAMPLE = Path(__file__).parents[2] / ".env.example"


def read(tmp_path: Path, **changes: str) -> Settings:
    return Settings.from_env({"HUB_DATA": str(tmp_path / "var")} | changes, env_file=tmp_path / ".env")


def refusal(tmp_path: Path, **changes: str) -> str:
    with pytest.raises(SettingsRefused) as refused:
        read(tmp_path, **changes)
    sentence = str(refused.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def test_nothing_set_is_a_development_hub_on_this_machine_only(tmp_path):
    settings = read(tmp_path)
    assert (settings.env, settings.host, settings.port) == ("development", "127.0.0.1", 8000)
    assert settings.public_url == "http://localhost:8000"
    assert settings.allowed_origins == ("http://localhost:8000", "http://127.0.0.1:8000")
    assert settings.database_url is settings.redis_url is settings.smtp_url is None
    assert (settings.rate_limits, settings.sample_data, settings.facilitator_signup) == (True, True, True)


def test_another_port_moves_the_public_address_too(tmp_path):
    assert read(tmp_path, HUB_PORT="8123").public_url == "http://localhost:8123"


def test_production_listens_for_its_proxy_and_has_no_samples(tmp_path):
    settings = read(tmp_path, **PRODUCTION)
    assert (settings.production, settings.host, settings.sample_data) == (True, "0.0.0.0", False)  # noqa: S104
    assert settings.allowed_origins == ("http://localhost:8000",)


@pytest.mark.abuse("C15")
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"HUB_SECRET": ""}, "HUB_SECRET"),
        ({"HUB_SECRET": DRAWN[:31]}, "HUB_SECRET"),
        ({"HUB_SECRET": "please-change-me-" + DRAWN}, "HUB_SECRET"),
        ({"HUB_SECRET": "abcabcabcabcabcabcabcabcabcabcabcabc"}, "HUB_SECRET"),
        ({"DATABASE_URL": ""}, "DATABASE_URL"),
        ({"REDIS_URL": ""}, "REDIS_URL"),
        ({"HUB_SAMPLE_DATA": "on"}, "HUB_SAMPLE_DATA"),
        ({"HUB_RATE_LIMITS": "off"}, "HUB_RATE_LIMITS"),
        ({"HUB_SOCKETS": "stock"}, "HUB_SOCKETS"),
        ({"HUB_GOOGLE_ISSUER": "http://localhost:9400"}, "HUB_GOOGLE_ISSUER"),
        ({"HUB_PASSWORD_MEMORY_KB": "1024"}, "HUB_PASSWORD_MEMORY_KB"),
        (STRIPE, "HUB_STRIPE_SECRET_KEY"),
        ({"HUB_STRIPE_API": "https://stripe.example.org"}, "HUB_STRIPE_API"),
        ({"HUB_PAYPAL_API": "https://api-m.sandbox.paypal.com"}, "HUB_PAYPAL_API"),
    ],
)
def test_production_refuses_what_is_only_for_trying_out(tmp_path, change, named):
    assert named in refusal(tmp_path, **PRODUCTION | change)


@pytest.mark.abuse("C15")
@pytest.mark.parametrize("env", ["production", "development"])
@pytest.mark.parametrize(
    "secret",
    [
        "secret",
        "secret" * 8,
        "x" * 64,
        DRAWN[:31],
        "default-" + DRAWN,
        "my-password-is-" + DRAWN,
        "0123" * 12,
        "changeme" * 5,
    ],
)
def test_a_secret_that_anybody_could_type_starts_no_hub(tmp_path, env, secret):
    sentence = refusal(tmp_path, **PRODUCTION | {"HUB_ENV": env, "HUB_SECRET": secret})
    assert "HUB_SECRET" in sentence
    assert secret not in sentence


@pytest.mark.parametrize(
    "change",
    [
        {"HUB_PORT": "http"},
        {"HUB_PORT": "0"},
        {"HUB_PORT": "65536"},
        {"HUB_PORT": "8_000"},
        {"HUB_PORT": "٨٠٠٠"},
        {"HUB_PORT": "-1"},
        {"HUB_ENV": "Production"},
        {"HUB_RATE_LIMITS": "maybe"},
        {"HUB_SOCKETS": "maybe"},
        {"HUB_SECRET": "short"},
        {"HUB_HOLD_SECONDS": "1801"},
        {"HUB_PUBLIC_URL": "book.example.org"},
        {"HUB_ALLOWED_ORIGINS": "*"},
        {"HUB_ALLOWED_ORIGINS": "https://example.org/page"},
        {"DATABASE_URL": "mysql://hub@localhost/hub"},
        {"REDIS_URL": "localhost:6379"},
        {"SMTP_URL": "mail.example.org"},
        {"HUB_MAIL_FROM": "the hub"},
        {"HUB_TWILIO_ACCOUNT": "AC1"},
        {"HUB_GOOGLE_CLIENT_ID": "a client without its secret"},
        {"HUB_FACEBOOK_CLIENT_ID": "a client without its secret"},
        {"HUB_GOOGLE_ISSUER": "accounts.google.com"},
        {"HUB_BUCKET_URL": "https://s3.example.org/pictures"},
        {"HUB_UPLOAD_MEGABYTES": "0"},
        {"HUB_STRIPE_SECRET_KEY": "sk_test_1"},
        {"HUB_STRIPE_PUBLISHABLE_KEY": "pk_live_1"} | {k: v for k, v in STRIPE.items() if "PUBLISHABLE" not in k},
        {"HUB_STRIPE_SECRET_KEY": "pk_test_1"} | {k: v for k, v in STRIPE.items() if "SECRET_KEY" not in k},
        {"HUB_PAYPAL_CLIENT_ID": "an app without its secret"},
        {"HUB_PAYPAL_API": "paypal.com"},
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_its_name(tmp_path, change):
    assert next(iter(change)) in refusal(tmp_path, **change)


def test_no_refusal_and_no_repr_tells_a_password(tmp_path):
    assert "hunter2" not in refusal(tmp_path, DATABASE_URL="mysql://hub:hunter2@localhost/hub")
    settings = read(tmp_path, DATABASE_URL="postgresql://hub:hunter2@localhost/hub", HUB_SECRET=DRAWN)
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in repr(read(tmp_path, **STRIPE))
    assert DRAWN not in repr(settings)


def test_origins_are_a_list_by_commas_or_spaces(tmp_path):
    settings = read(tmp_path, HUB_ALLOWED_ORIGINS="https://a.example, https://b.example:8443/")
    assert settings.allowed_origins == ("https://a.example", "https://b.example:8443")


def test_a_file_fills_what_the_environment_leaves_open(tmp_path):
    (tmp_path / ".env").write_text("# a note\n\nexport HUB_PORT=9000\nHUB_HOLD_SECONDS = '300'\nSMTP_URL=\n")
    settings = read(tmp_path, HUB_PORT="9001")
    assert (settings.port, settings.hold_seconds, settings.smtp_url) == (9001, 300, None)


def test_an_unreadable_line_of_the_file_is_named(tmp_path):
    (tmp_path / ".env").write_text("HUB_PORT=9000\nHUB_HOST\n")
    assert "Line 2" in refusal(tmp_path)


def test_the_drawn_secret_is_kept_and_readable_by_its_owner_only(tmp_path):
    assert read(tmp_path).secret == read(tmp_path).secret
    assert stat.S_IMODE((tmp_path / "var" / "secret").stat().st_mode) == 0o600
    assert read(tmp_path / "elsewhere").secret != read(tmp_path).secret


def test_processes_that_start_at_once_agree_on_the_secret(tmp_path):
    read_by = []
    starts = [Thread(target=lambda: read_by.append(kept_secret(tmp_path))) for _ in range(8)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert len(read_by) == 8
    assert len(set(read_by)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_settings_cannot_be_changed_and_a_changed_copy_is_judged_again(tmp_path):
    settings = read(tmp_path, **PRODUCTION)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]
    with pytest.raises(SettingsRefused):
        dataclasses.replace(settings, rate_limits=False)


def test_the_example_explains_every_setting_and_its_default(tmp_path):
    asked = set(re.findall(r'"((?:HUB_|DATABASE_URL|REDIS_URL|SMTP_URL)\w*)"', Path("hub/settings.py").read_text()))
    explained = set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE.read_text(), flags=re.MULTILINE))
    assert asked == explained
    as_given = {name: value for name, value in read_env_file(EXAMPLE).items() if name != "HUB_DATA"}
    assert read(tmp_path, **as_given) == read(tmp_path)
