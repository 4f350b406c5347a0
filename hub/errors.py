"""Every refusal: its code, its HTTP status and one sentence a person can act on."""

from __future__ import annotations

from typing import Any, ClassVar


class HubError(Exception):
    """The hub refuses what was asked."""

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 400

    def __init__(self, sentence: str | None = None, *, retry_after: float | None = None, **details: Any) -> None:
        self.sentence = sentence or (type(self).__doc__ or "").strip().split("\n")[0]
        self.retry_after = retry_after
        self.details = details
        super().__init__(self.sentence)


class Malformed(HubError):
    """The request cannot be read; send one JSON object."""

    code, status = "malformed", 400


class Invalid(HubError):
    """Some fields are not acceptable; each is named with what is wrong."""

    code, status = "invalid", 422

    @classmethod
    def field(cls, field: str, message: str) -> Invalid:
        """Refuse one field, named by its dotted path, with a sentence."""
        return cls(errors=[{"field": field, "message": message}])


class Unauthenticated(HubError):
    """Log in first; no valid access token came with this request."""

    code, status = "unauthenticated", 401


class WrongCredentials(HubError):
    """The e-mail address or the password is wrong."""

    code, status = "wrong_credentials", 401


class Forbidden(HubError):
    """Your role does not allow this; ask the owner or an admin."""

    code, status = "forbidden", 403


class NotInPerson(Forbidden):
    """Whoever acts for somebody else cannot do this; only they themselves can."""

    code = "not_in_person"


class NotFound(HubError):
    """There is no such thing, or it is not yours to see."""

    code, status = "not_found", 404


class Conflict(HubError):
    """This cannot be done as things stand; look again and retry."""

    code, status = "conflict", 409


class NotAvailable(Conflict):
    """What you asked for cannot be had; the reasons say why and the alternatives what can."""

    code = "not_available"


class NotOffered(HubError):
    """The venue does not offer this; the reasons say which of its rules is in the way."""

    code, status = "not_offered", 422


class MixedCurrencies(HubError):
    """One basket has one currency; book what is priced in another currency by itself."""

    code, status = "mixed_currencies", 422


class TooManyHolds(Conflict):
    """You hold as much as one person may; confirm or release a hold first."""

    code = "too_many_holds"


class HoldExpired(HubError):
    """The hold has run out and its place may be gone; hold again."""

    code, status = "hold_expired", 410


class WrongState(Conflict):
    """The booking is not in a state that allows this."""

    code = "wrong_state"


class HasBookings(Conflict):
    """Live bookings stand in the way; cancel or move them first."""

    code = "has_bookings"


class AlreadyExists(Conflict):
    """This already exists; choose another name or number."""

    code = "already_exists"


class EmailTaken(Conflict):
    """An account with this e-mail address exists already; log in instead."""

    code = "email_taken"


class LogInFirst(Conflict):
    """An account here has this e-mail address already; log in to it and link the other one there."""

    code = "log_in_first"


class IdentityTaken(Conflict):
    """That account already opens another account here, or yours is opened by another one of the same provider."""

    code = "identity_taken"


class LastWayIn(Conflict):
    """You could not log in any more; set a password or link another account first."""

    code = "last_way_in"


class QuotaExceeded(Conflict):
    """There is no room left for more pictures; remove some first."""

    code = "quota_exceeded"


class StillInCharge(Conflict):
    """Others depend on this account; hand over or close what it runs first."""

    code = "still_in_charge"


class QuoteExpired(Conflict):
    """This price is not good any more; ask for a new quote."""

    code = "quote_expired"


class OfferRefused(HubError):
    """This offer cannot be used for what you book; the reason says why."""

    code, status = "offer_refused", 422


class OfferUsedUp(Conflict):
    """This offer has been used as often as it may be; book without it."""

    code = "offer_used_up"


class TooFewPoints(Conflict):
    """You have fewer loyalty points left than that; use fewer."""

    code = "too_few_points"


class NoStudentLeft(Conflict):
    """You have used this year's student discounts there; book without one."""

    code = "no_student_left"


class TooLittle(Conflict):
    """There is too little money in the account; pay less or add some first."""

    code = "too_little"


class AccountFrozen(Conflict):
    """Nothing can be paid from this account until an admin has looked at it."""

    code = "account_frozen"


class NothingDue(Conflict):
    """There is nothing left to pay for this booking."""

    code = "nothing_due"


class PaymentRefused(HubError):
    """The payment was refused; pay another way."""

    code, status = "payment_refused", 422


class GatewayUnreachable(HubError):
    """The payment provider cannot be reached right now; nothing was paid, try again or pay another way."""

    code, status = "gateway_unreachable", 503

    def __init__(self, sentence: str | None = None, *, retry_after: float | None = 10.0, **details: Any) -> None:
        super().__init__(sentence, retry_after=retry_after, **details)


class Forged(HubError):
    """This does not come from whom it says, or is too old."""

    code, status = "forged", 400


class InFlight(Conflict):
    """The same request is being carried out right now; ask again in a moment."""

    code = "in_flight"


class KeyReused(HubError):
    """This Idempotency-Key was used for another request; take a new key."""

    code, status = "idempotency_key_reused", 422


class ChangedMeanwhile(HubError):
    """Somebody changed this since you read it; read it again before changing it."""

    code, status = "changed_meanwhile", 412


class TooLarge(HubError):
    """The request is larger than the hub accepts."""

    code, status = "too_large", 413


class WrongMediaType(HubError):
    """Send the body as application/json."""

    code, status = "wrong_media_type", 415


class NoPicture(HubError):
    """This is no picture the hub can read; send a JPEG, PNG or WebP."""

    code, status = "no_picture", 415


class CodeRefused(HubError):
    """The code was used before, is too old or not for this hub; begin again."""

    code, status = "code_refused", 400


class IdentityRefused(HubError):
    """What the provider said about you could not be verified; begin again."""

    code, status = "identity_refused", 401


class ProviderUnreachable(HubError):
    """The provider cannot be reached right now; log in another way or try again later."""

    code, status = "provider_unreachable", 503

    def __init__(self, sentence: str | None = None, *, retry_after: float | None = 30.0, **details: Any) -> None:
        super().__init__(sentence, retry_after=retry_after, **details)


class TooManyRequests(HubError):
    """Too many requests; wait before the next one."""

    code, status = "too_many_requests", 429


class Unavailable(HubError):
    """The hub cannot reach its database right now; try again in a moment."""

    code, status = "unavailable", 503

    def __init__(self, sentence: str | None = None, *, retry_after: float | None = 2.0, **details: Any) -> None:
        super().__init__(sentence, retry_after=retry_after, **details)
