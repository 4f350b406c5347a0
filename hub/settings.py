"""What an operator can set, read once from the environment and never changed."""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from pathlib import Path
from typing import Literal, Self, get_args
from urllib.parse import urlsplit

Environment = Literal["development", "test", "production"]
ENVIRONMENTS: Mapping[str, Environment] = {env: env for env in get_args(Environment)}
SocketPath = Literal["fast", "stock"]
SOCKET_PATHS: Mapping[str, SocketPath] = {path: path for path in get_args(SocketPath)}

SECRET_BYTES = 32
PASSWORD_MEMORY_KB = 65_536
# A secret made of few different characters was typed, not drawn.
SECRET_VARIETY = 10
KNOWN_SECRETS = ("change", "default", "development", "example", "password", "placeholder", "your-secret", "your_secret")

# One server, the primary that Sentinels name, or a cluster; each with TLS too.
REDIS_SCHEMES = (
    *("redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"),
    *("valkey", "valkeys", "valkey+sentinel", "valkeys+sentinel", "valkey+cluster", "valkeys+cluster", "unix"),
)

GOOGLE_ISSUER = "https://accounts.google.com"
FACEBOOK_ISSUER = "https://www.facebook.com"
BAKONG = "https://api-bakong.nbc.gov.kh"
STRIPE = "https://api.stripe.com"
PAYPAL = "https://api-m.paypal.com"

ON = frozenset({"on", "true", "yes", "1"})
OFF = frozenset({"off", "false", "no", "0"})


class SettingsRefused(Exception):
    """The settings do not fit together, and the sentence says which one to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an operator can set; an instance that exists is one the hub can run with."""

    data: Path
    secret: str = field(repr=False)
    env: Environment = "development"
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = "http://localhost:8000"
    allowed_origins: tuple[str, ...] = ("http://localhost:8000",)
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: int = 0
    rate_limits: bool = True
    socket_path: SocketPath = "fast"
    database_url: str | None = field(default=None, repr=False)
    redis_url: str | None = field(default=None, repr=False)
    smtp_url: str | None = field(default=None, repr=False)
    mail_from: str = "no-reply@localhost"
    twilio_account: str | None = None
    twilio_token: str | None = field(default=None, repr=False)
    twilio_from: str | None = None
    google_client_id: str | None = None
    google_client_secret: str | None = field(default=None, repr=False)
    google_issuer: str = GOOGLE_ISSUER
    facebook_client_id: str | None = None
    facebook_client_secret: str | None = field(default=None, repr=False)
    facebook_issuer: str = FACEBOOK_ISSUER
    bakong_account: str | None = None
    bakong_token: str | None = field(default=None, repr=False)
    bakong_name: str = "Booking hub"
    bakong_city: str = "Phnom Penh"
    bakong_merchant_id: str | None = None
    bakong_bank: str | None = None
    bakong_api: str = BAKONG
    stripe_secret_key: str | None = field(default=None, repr=False)
    stripe_publishable_key: str | None = None
    stripe_webhook_secret: str | None = field(default=None, repr=False)
    stripe_api: str = STRIPE
    paypal_client_id: str | None = None
    paypal_client_secret: str | None = field(default=None, repr=False)
    paypal_merchant_id: str | None = None
    paypal_webhook_id: str | None = None
    paypal_api: str = PAYPAL
    bucket_url: str | None = None
    bucket_region: str = "us-east-1"
    bucket_access_key: str | None = None
    bucket_secret_key: str | None = field(default=None, repr=False)
    upload_megabytes: int = 10
    upload_quota_megabytes: int = 500
    pool_size: int = 10
    access_minutes: int = 15
    refresh_days: int = 30
    password_memory_kb: int = PASSWORD_MEMORY_KB
    facilitator_signup: bool = True
    admin_totp: bool = False
    hold_seconds: int = 600
    hold_cap_seconds: int = 1800
    pay_seconds: int = 900
    holds_per_person: int = 5
    holds_per_venue: int = 3
    event_retention_hours: int = 24
    webhook_private: bool = False
    sample_data: bool = False
    # What the hub keeps of what it pays out to venues, in hundredths of a percent.
    fee_basis_points: int = 0
    # Wallets are corrected by one admin alone up to this, in minor units of whatever currency.
    adjustment_limit: int = 10_000

    def __post_init__(self) -> None:
        if len(self.secret.encode()) < SECRET_BYTES:
            raise SettingsRefused(f"HUB_SECRET must be at least {SECRET_BYTES} bytes long.")
        if self.hold_cap_seconds < self.hold_seconds:
            raise SettingsRefused("HUB_HOLD_CAP_SECONDS must not be shorter than HUB_HOLD_SECONDS.")
        if len({self.twilio_account is None, self.twilio_token is None, self.twilio_from is None}) > 1:
            raise SettingsRefused(
                "HUB_TWILIO_ACCOUNT, HUB_TWILIO_TOKEN and HUB_TWILIO_FROM go together: set all or none."
            )
        if (self.google_client_id is None) != (self.google_client_secret is None):
            raise SettingsRefused("HUB_GOOGLE_CLIENT_ID and HUB_GOOGLE_CLIENT_SECRET go together: set both or none.")
        if (self.facebook_client_id is None) != (self.facebook_client_secret is None):
            raise SettingsRefused(
                "HUB_FACEBOOK_CLIENT_ID and HUB_FACEBOOK_CLIENT_SECRET go together: set both or none."
            )
        if len({self.bucket_url is None, self.bucket_access_key is None, self.bucket_secret_key is None}) > 1:
            raise SettingsRefused(
                "HUB_BUCKET_URL, HUB_BUCKET_ACCESS_KEY and HUB_BUCKET_SECRET_KEY go together: set all or none."
            )
        if (self.bakong_account is None) != (self.bakong_token is None):
            raise SettingsRefused("HUB_BAKONG_ACCOUNT and HUB_BAKONG_TOKEN go together: set both or none.")
        if not all(said.isascii() and len(said) <= 25 for said in (self.bakong_name, self.bakong_city)):
            raise SettingsRefused("HUB_BAKONG_NAME and HUB_BAKONG_CITY must be short and in Latin letters.")
        self._refuse_half_a_payment_account()
        typed = self.secret.lower()
        if self.env != "test" and (len(set(typed)) < SECRET_VARIETY or any(known in typed for known in KNOWN_SECRETS)):
            raise SettingsRefused("HUB_SECRET is a known default or was typed; leave it out, or draw a random one.")
        if self.production:
            self._refuse_what_production_must_not_have()

    def _refuse_half_a_payment_account(self) -> None:
        stripe = (self.stripe_secret_key, self.stripe_publishable_key, self.stripe_webhook_secret)
        if None in stripe and any(stripe):
            raise SettingsRefused(
                "HUB_STRIPE_SECRET_KEY, HUB_STRIPE_PUBLISHABLE_KEY and HUB_STRIPE_WEBHOOK_SECRET go together: "
                "set all or none."
            )
        paypal = (self.paypal_client_id, self.paypal_client_secret, self.paypal_merchant_id, self.paypal_webhook_id)
        if None in paypal and any(paypal):
            raise SettingsRefused(
                "HUB_PAYPAL_CLIENT_ID, HUB_PAYPAL_CLIENT_SECRET, HUB_PAYPAL_MERCHANT_ID and HUB_PAYPAL_WEBHOOK_ID "
                "go together: set all or none."
            )
        if self.stripe_secret_key is not None and self.stripe_publishable_key is not None:
            secret, published = self.stripe_secret_key.split("_"), self.stripe_publishable_key.split("_")
            if secret[0] not in ("sk", "rk") or published[0] != "pk" or secret[1:2] != published[1:2]:
                raise SettingsRefused(
                    "HUB_STRIPE_SECRET_KEY and HUB_STRIPE_PUBLISHABLE_KEY must be a secret and a publishable key, "
                    "both live or both for tests."
                )

    def _refuse_what_production_must_not_have(self) -> None:
        if self.database_url is None:
            raise SettingsRefused("DATABASE_URL must name a PostgreSQL server: production has no embedded one.")
        if self.redis_url is None:
            raise SettingsRefused("REDIS_URL must name a Redis or Valkey server: production has no embedded one.")
        if self.sample_data:
            raise SettingsRefused("HUB_SAMPLE_DATA must be off in production: its passwords are public.")
        if self.webhook_private:
            raise SettingsRefused("HUB_WEBHOOK_PRIVATE must be off in production: venues choose where webhooks lead.")
        if not self.rate_limits:
            raise SettingsRefused("HUB_RATE_LIMITS must be on in production.")
        if self.socket_path != "fast":
            raise SettingsRefused("HUB_SOCKETS must be fast in production: the other path has no limits.")
        if not all(issuer.startswith("https://") for issuer in (self.google_issuer, self.facebook_issuer)):
            raise SettingsRefused("HUB_GOOGLE_ISSUER and HUB_FACEBOOK_ISSUER must start with https:// in production.")
        if not self.bakong_api.startswith("https://"):
            raise SettingsRefused("HUB_BAKONG_API must start with https:// in production.")
        if self.stripe_api != STRIPE:
            raise SettingsRefused("HUB_STRIPE_API must be left out in production.")
        if self.paypal_api != PAYPAL:
            raise SettingsRefused("HUB_PAYPAL_API must be left out in production: its sandbox pays nobody.")
        if self.stripe_secret_key is not None and not self.stripe_live:
            raise SettingsRefused("HUB_STRIPE_SECRET_KEY must be a live key in production: anybody pays test ones.")
        if self.password_memory_kb < PASSWORD_MEMORY_KB:
            raise SettingsRefused(f"HUB_PASSWORD_MEMORY_KB must be at least {PASSWORD_MEMORY_KB} in production.")

    @property
    def production(self) -> bool:
        """Tell whether strangers depend on this hub."""
        return self.env == "production"

    @property
    def stripe_live(self) -> bool:
        """Tell whether Stripe moves real money for this hub."""
        return self.stripe_secret_key is not None and self.stripe_secret_key.startswith(("sk_live_", "rk_live_"))

    @property
    def has_outbox_page(self) -> bool:
        """Tell whether mail is read at /dev/mail: only where none is sent, and no stranger depends on the hub."""
        return self.smtp_url is None and not self.production

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, env_file: Path = Path(".env")) -> Self:
        """Read the environment, and what it leaves open from a `.env` file."""
        read = _Reader(read_env_file(env_file) | dict(os.environ if environ is None else environ))
        env = read.environment()
        development, production = env == "development", env == "production"
        data = Path(read.text("HUB_DATA") or "var").expanduser().absolute()
        port = read.number("HUB_PORT", 8000, 1, 65_535)
        public_url = read.address("HUB_PUBLIC_URL", ("http", "https")) or f"http://localhost:{port}"
        secret = read.text("HUB_SECRET")
        if secret is None and production:
            raise SettingsRefused("HUB_SECRET must be set in production.")
        return cls(
            data=data,
            secret=secret or kept_secret(data),
            env=env,
            # In production a proxy stands in front, usually on another machine or in another container.
            host=read.text("HUB_HOST") or ("0.0.0.0" if production else "127.0.0.1"),  # noqa: S104
            port=port,
            public_url=public_url.rstrip("/"),
            allowed_origins=read.origins("HUB_ALLOWED_ORIGINS") or _own_origins(public_url, port, production),
            allowed_hosts=read.hosts("HUB_ALLOWED_HOSTS"),
            trusted_proxies=read.number("HUB_TRUSTED_PROXIES", 0, 0, 10),
            rate_limits=read.switch("HUB_RATE_LIMITS", True),
            socket_path=read.socket_path(),
            database_url=read.address("DATABASE_URL", ("postgresql", "postgres")),
            redis_url=read.address("REDIS_URL", REDIS_SCHEMES),
            smtp_url=read.address("SMTP_URL", ("smtp", "smtps")),
            mail_from=read.mail_from("HUB_MAIL_FROM") or f"no-reply@{urlsplit(public_url).hostname or 'localhost'}",
            twilio_account=read.text("HUB_TWILIO_ACCOUNT"),
            twilio_token=read.text("HUB_TWILIO_TOKEN"),
            twilio_from=read.text("HUB_TWILIO_FROM"),
            google_client_id=read.text("HUB_GOOGLE_CLIENT_ID"),
            google_client_secret=read.text("HUB_GOOGLE_CLIENT_SECRET"),
            google_issuer=(read.address("HUB_GOOGLE_ISSUER", ("https", "http")) or GOOGLE_ISSUER).rstrip("/"),
            facebook_client_id=read.text("HUB_FACEBOOK_CLIENT_ID"),
            facebook_client_secret=read.text("HUB_FACEBOOK_CLIENT_SECRET"),
            facebook_issuer=(read.address("HUB_FACEBOOK_ISSUER", ("https", "http")) or FACEBOOK_ISSUER).rstrip("/"),
            bakong_account=read.text("HUB_BAKONG_ACCOUNT"),
            bakong_token=read.text("HUB_BAKONG_TOKEN"),
            bakong_name=read.text("HUB_BAKONG_NAME") or "Booking hub",
            bakong_city=read.text("HUB_BAKONG_CITY") or "Phnom Penh",
            bakong_merchant_id=read.text("HUB_BAKONG_MERCHANT_ID"),
            bakong_bank=read.text("HUB_BAKONG_BANK"),
            bakong_api=(read.address("HUB_BAKONG_API", ("https", "http")) or BAKONG).rstrip("/"),
            stripe_secret_key=read.text("HUB_STRIPE_SECRET_KEY"),
            stripe_publishable_key=read.text("HUB_STRIPE_PUBLISHABLE_KEY"),
            stripe_webhook_secret=read.text("HUB_STRIPE_WEBHOOK_SECRET"),
            stripe_api=(read.address("HUB_STRIPE_API", ("https", "http")) or STRIPE).rstrip("/"),
            paypal_client_id=read.text("HUB_PAYPAL_CLIENT_ID"),
            paypal_client_secret=read.text("HUB_PAYPAL_CLIENT_SECRET"),
            paypal_merchant_id=read.text("HUB_PAYPAL_MERCHANT_ID"),
            paypal_webhook_id=read.text("HUB_PAYPAL_WEBHOOK_ID"),
            paypal_api=(read.address("HUB_PAYPAL_API", ("https", "http")) or PAYPAL).rstrip("/"),
            bucket_url=read.address("HUB_BUCKET_URL", ("https", "http")),
            bucket_region=read.text("HUB_BUCKET_REGION") or "us-east-1",
            bucket_access_key=read.text("HUB_BUCKET_ACCESS_KEY"),
            bucket_secret_key=read.text("HUB_BUCKET_SECRET_KEY"),
            upload_megabytes=read.number("HUB_UPLOAD_MEGABYTES", 10, 1, 100),
            upload_quota_megabytes=read.number("HUB_UPLOAD_QUOTA_MEGABYTES", 500, 1, 1_000_000),
            pool_size=read.number("HUB_POOL_SIZE", 10, 1, 500),
            access_minutes=read.number("HUB_ACCESS_MINUTES", 15, 1, 1440),
            refresh_days=read.number("HUB_REFRESH_DAYS", 30, 1, 365),
            password_memory_kb=read.number("HUB_PASSWORD_MEMORY_KB", PASSWORD_MEMORY_KB, 64, 4_194_304),
            facilitator_signup=read.switch("HUB_FACILITATOR_SIGNUP", True),
            admin_totp=read.switch("HUB_ADMIN_TOTP", False),
            hold_seconds=read.number("HUB_HOLD_SECONDS", 600, 1, 86_400),
            hold_cap_seconds=read.number("HUB_HOLD_CAP_SECONDS", 1800, 1, 604_800),
            pay_seconds=read.number("HUB_PAY_SECONDS", 900, 1, 86_400),
            holds_per_person=read.number("HUB_HOLDS_PER_PERSON", 5, 1, 1000),
            holds_per_venue=read.number("HUB_HOLDS_PER_VENUE", 3, 1, 1000),
            event_retention_hours=read.number("HUB_EVENT_RETENTION_HOURS", 24, 1, 8760),
            webhook_private=read.switch("HUB_WEBHOOK_PRIVATE", False),
            sample_data=read.switch("HUB_SAMPLE_DATA", development),
            fee_basis_points=read.number("HUB_FEE_BASIS_POINTS", 0, 0, 10_000),
            adjustment_limit=read.number("HUB_ADJUSTMENT_LIMIT", 10_000, 0, 1_000_000_000_000),
        )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns the texts of the environment into values, or says in one sentence why not."""

    values: Mapping[str, str]

    def text(self, name: str) -> str | None:
        return self.values.get(name, "").strip() or None

    def environment(self) -> Environment:
        given = self.text("HUB_ENV") or "development"
        if given not in ENVIRONMENTS:
            raise SettingsRefused(f"HUB_ENV must be one of {', '.join(ENVIRONMENTS)}, not {given!r}.")
        return ENVIRONMENTS[given]

    def socket_path(self) -> SocketPath:
        given = self.text("HUB_SOCKETS") or "fast"
        if given not in SOCKET_PATHS:
            raise SettingsRefused(f"HUB_SOCKETS must be one of {', '.join(SOCKET_PATHS)}, not {given!r}.")
        return SOCKET_PATHS[given]

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        given = self.text(name)
        if given is None:
            return default
        # int() alone would take underscores and the digits of other scripts.
        if not (given.isascii() and given.isdigit()) or not lowest <= int(given) <= highest:
            raise SettingsRefused(f"{name} must be a whole number from {lowest} to {highest}, not {given!r}.")
        return int(given)

    def switch(self, name: str, default: bool) -> bool:
        given = self.text(name)
        if given is None:
            return default
        if given.lower() not in ON | OFF:
            raise SettingsRefused(f"{name} must be on or off, not {given!r}.")
        return given.lower() in ON

    def address(self, name: str, schemes: tuple[str, ...]) -> str | None:
        given = self.text(name)
        # The address may hold a password, so the sentence does not repeat it.
        if given is not None and not given.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise SettingsRefused(f"{name} must start with {' or '.join(f'{scheme}://' for scheme in schemes)}.")
        return given

    def mail_from(self, name: str) -> str | None:
        given = self.text(name)
        if given is not None and not all(parseaddr(given)[1].partition("@")):
            raise SettingsRefused(f"{name} must be an address like no-reply@example.org, not {given!r}.")
        return given

    def origins(self, name: str) -> tuple[str, ...]:
        origins = tuple(origin.rstrip("/") for origin in (self.text(name) or "").replace(",", " ").split())
        for origin in origins:
            if origin != _origin(origin) or not origin.startswith(("http://", "https://")):
                raise SettingsRefused(f"{name} must list origins like https://example.org, not {origin!r}.")
        return origins

    def hosts(self, name: str) -> tuple[str, ...]:
        hosts = tuple((self.text(name) or "").lower().replace(",", " ").split())
        for host in hosts:
            if host != urlsplit(f"//{host}").hostname:
                raise SettingsRefused(f"{name} must list names like hub.example.org, without a port, not {host!r}.")
        return hosts


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _own_origins(public_url: str, port: int, production: bool) -> tuple[str, ...]:
    own = [_origin(public_url)]
    if not production:
        own += [f"http://localhost:{port}", f"http://127.0.0.1:{port}"]
    return tuple(dict.fromkeys(own))


def read_env_file(file: Path) -> dict[str, str]:
    """Read `NAME=value` lines; a file that is not there sets nothing."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    values: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        stripped = line.strip().removeprefix("export ")
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = stripped.partition("=")
        if not equals or not name.strip().isidentifier():
            raise SettingsRefused(f"Line {number} of {file} must read NAME=value.")
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        values[name.strip()] = value
    return values


def kept_secret(data: Path) -> str:
    """Return this machine's own signing secret, drawn at the first start."""
    kept = data / "secret"
    if not kept.exists():
        data.mkdir(parents=True, exist_ok=True)
        # A temporary file is readable by its owner only, and a link is made whole or not at all:
        # the first of two processes wins and both read the same secret.
        with tempfile.NamedTemporaryFile("w", dir=data) as drawn:
            drawn.write(secrets.token_urlsafe(48))
            drawn.flush()
            with contextlib.suppress(FileExistsError):
                kept.hardlink_to(drawn.name)
    return kept.read_text().strip()
