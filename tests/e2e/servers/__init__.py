"""Real mail servers from Debian, each in a scratch folder of its own, for the tests and the demo.

They exclude each other as packages and start themselves when installed, so they are never installed: their packages
are downloaded once (packages.py) and unpacked into the scratch folder of each server, which stop() removes.
"""

from .accounts import Accounts
from .base import MailServer, ServerError, free_port
from .dovecot import Dovecot
from .exim import Exim
from .forwarders import AttachingExim, ReplyingExim, SevenBitPostfix, UserPostfix
from .opensmtpd import OpenSMTPD
from .postfix import Postfix
from .readers import Mutt, SNail
from .sink import Sink

__all__ = ["Accounts", "AttachingExim", "Dovecot", "Exim", "MailServer", "Mutt", "OpenSMTPD", "Postfix", "ReplyingExim", "ServerError", "SevenBitPostfix",
           "Sink", "SNail", "UserPostfix", "free_port"]
