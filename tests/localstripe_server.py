"""Serves localstripe, a Stripe of somebody else's making, on this machine only and without leaving a file behind.

Run as a program, with the port to listen on.
"""

import sys

from aiohttp import web
from localstripe import resources
from localstripe.server import app

# Stripe knows these, localstripe does not.
UNKNOWN = ("allowed_payment_method_types", "description")


def serve(port: int) -> None:
    """Answer until somebody ends the process."""
    create = resources.PaymentIntent._api_create
    resources.PaymentIntent._api_create = lambda **data: create(
        **{name: said for name, said in data.items() if name not in UNKNOWN}
    )
    resources.Store.dump_to_disk = lambda store: None
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
