# SPDX-License-Identifier: MIT
"""The two verdicts of a case: on what came back, and on how the connection ended."""
from .case import ANY, ASKED, ASKED_LOOSE, ECHO, FAIL, FAIL_SAID

OK, NON_STRICT, INFORMATIONAL, UNIMPLEMENTED, FAILED = "OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED", "FAILED"
UNCLEAN, WRONG_CODE, FAILED_BY_CLIENT = "UNCLEAN", "WRONG CODE", "FAILED BY CLIENT"
BLEMISHES = (NON_STRICT, FAILED_BY_CLIENT, UNIMPLEMENTED)


def judge(case, outcome):
    """(behaviour, closing, why): `why` is a line for people, empty where all is well."""
    closing, why = closing_of(case, outcome)
    if case.informational:
        return INFORMATIONAL, closing if outcome.handshake_error else OK, ""
    if outcome.unimplemented:
        return UNIMPLEMENTED, closing, "permessage-deflate was not agreed on"
    behaviour, said = behaviour_of(case, outcome)
    if closing == WRONG_CODE and case.code_is_fatal or closing == FAILED and case.endpoint_is_fatal:
        behaviour = FAILED
    return behaviour, closing, "; ".join(line for line in (said, why) if line)


def behaviour_of(case, outcome):
    if outcome.handshake_error:
        return FAILED, ""
    if outcome.violation:
        return FAILED, f"the peer broke a rule: {outcome.violation}"
    if outcome.answer_error:
        return FAILED, outcome.answer_error
    if outcome.events == list(case.ok):
        return OK, ""
    if outcome.events in case.also:
        return NON_STRICT, f"came back: {shown(outcome.events)}"
    return FAILED, f"came back: {shown(outcome.events)}; was to: {shown(case.ok)}"


def closing_of(case, o):
    """In the order of the catalogue; the first that holds is the verdict."""
    if o.handshake_error:
        return FAILED, f"no connection: {o.handshake_error}"
    if o.violation:
        return FAILED, ""
    ends = ASKED if o.unimplemented else case.ends
    if ends == ANY:
        return OK, ""
    side = "peer" if ends in (FAIL, FAIL_SAID) else "tester"
    if o.started_by != side or o.timed_out:
        return FAILED, wrong_side(o, side)
    if ends in (ECHO, ASKED):
        if not o.peer_closed:
            return UNCLEAN, "no close frame came"
        if o.late:
            return UNCLEAN, "the server did not drop TCP"
    if ends == FAIL_SAID and o.peer_code not in case.codes:
        said = o.peer_code if o.peer_closed else "none, TCP was dropped"
        return WRONG_CODE, f"close code {said}; was to: {' or '.join(map(str, case.codes))}"
    if o.peer_code is not None and o.peer_code not in (case.codes if not o.unimplemented else (1000,)):
        return WRONG_CODE, f"close code {o.peer_code}; was to: {' or '.join(map(str, case.codes))}"
    if o.late and ends in (FAIL, FAIL_SAID, ASKED_LOOSE):
        return FAILED_BY_CLIENT, "the server did not drop TCP behind its close frame"
    return OK, ""


def wrong_side(o, side):
    if o.timed_out:
        return "nothing ended it" if side == "peer" else "not in time"
    if o.started_by == "peer":
        return f"the peer closed with {o.peer_code}" if o.peer_closed else "the peer dropped TCP"
    return "the tester closed"


def is_miss(behaviour, closing, lenient=False):
    fine = (OK, INFORMATIONAL) + (BLEMISHES if lenient else ())
    return behaviour not in fine or closing not in fine


def shown(events):
    words = []
    for kind, *rest in events:
        if kind == "message":
            words.append(f"{'text' if rest[0] == 1 else 'binary'} {short(rest[1])}")
        elif kind == "pong":
            words.append(f"pong {short(rest[0])}")
        else:
            words.append(rest[0])
    return ", ".join(words[:6]) + (f" and {len(words) - 6} more" if len(words) > 6 else "") or "nothing"


def short(octets):
    return repr(octets) if len(octets) <= 32 else f"of {len(octets)} octets"
