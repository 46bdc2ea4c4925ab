"""The validation codes of the C2PA specification in plain words, and which of them mean tampering.

Codes and meanings follow C2PA 2.4, "Standard Status Codes", and the CAWG identity assertion 1.3; the sentences are
ours, as are the codes ``manifest.limit``, ``.loop``, ``.malformed``, ``.padding.mismatch`` and ``.unreadable``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from filigrane.core.values import Problem

EXPLANATIONS: Final = MappingProxyType(
    {
        "algorithm.deprecated": "An algorithm was used that is no longer recommended.",
        "algorithm.unsupported": "An algorithm was used that is not known here, so this part could not be checked.",
        "assertion.action.ingredientMismatch": "An action names an ingredient that the manifest does not have.",
        "assertion.action.malformed": "The list of actions is damaged or breaks the rules.",
        "assertion.action.redacted": "A list of actions was removed, which is not allowed.",
        "assertion.action.redactionMismatch": "A removal is recorded that does not match what was removed.",
        "assertion.bmffHash.additionalExclusionsPresent": "More of the file than its manifest is left unprotected.",
        "assertion.bmffHash.malformed": "The record of the file's hash is damaged.",
        "assertion.bmffHash.mismatch": "The picture was changed after signing: its bytes do not match the signed hash.",
        "assertion.boxesHash.malformed": "The record of the file's hash is damaged.",
        "assertion.boxesHash.mismatch": "The picture was changed after signing: its parts do not match their hashes.",
        "assertion.boxesHash.unknownBox": "The file has parts that the signed record of its hashes does not know.",
        "assertion.cbor.invalid": "A statement in the manifest is damaged and cannot be decoded.",
        "assertion.cloud-data.actions": "The list of actions is kept outside the file, which is not allowed here.",
        "assertion.cloud-data.hardBinding": "The hash that ties manifest to picture is kept outside the file.",
        "assertion.cloud-data.malformed": "A reference to data outside the file is damaged.",
        "assertion.collectionHash.incorrectFileCount": "Files of the signed collection are missing.",
        "assertion.collectionHash.invalidURI": "The signed collection names a file by a path that is not allowed.",
        "assertion.collectionHash.malformed": "The record of the collection's hashes is damaged.",
        "assertion.collectionHash.mismatch": "A file of the signed collection was changed after signing.",
        "assertion.dataHash.additionalExclusionsPresent": "More of the file than its manifest is left unprotected.",
        "assertion.dataHash.malformed": "The record of the file's hash is damaged.",
        "assertion.dataHash.mismatch": "The picture was changed after signing: its bytes do not match the signed hash.",
        "assertion.dataHash.redacted": "The hash that ties manifest to picture was removed.",
        "assertion.hashedURI.mismatch": "A statement in the manifest was changed after signing.",
        "assertion.inaccessible": "A statement is kept outside the file and was not fetched.",
        "assertion.ingredient.malformed": "The record of an ingredient is damaged or incomplete.",
        "assertion.json.invalid": "A statement in the manifest is damaged and cannot be decoded.",
        "assertion.metadata.disallowed": "The metadata statement has a field that is not allowed in it.",
        "assertion.missing": "A signed statement is missing from the manifest.",
        "assertion.multipleHardBindings": "The manifest is tied to more than one version of the file.",
        "assertion.notRedacted": "A statement that was declared removed is still there.",
        "assertion.outsideManifest": "A signed statement lies outside its manifest.",
        "assertion.required.missing": "A statement lacks a field that it must have.",
        "assertion.selfRedacted": "The manifest declares one of its own statements removed, which is not allowed.",
        "assertion.timestamp.malformed": "The statement that holds a time stamp is damaged.",
        "assertion.undeclared": "The manifest holds a statement that its signature does not cover.",
        "cawg.identity.validation_failed": "The author's own statement of identity does not hold.",
        "cawg.ica.untrusted_issuer": "The author's identity is vouched for by an unknown party.",
        "cawg.x509.algorithm.unsupported": "The author's signature uses an algorithm not known here.",
        "cawg.x509.credential.invalid": "The author's certificate is not fit for signing.",
        "cawg.x509.credential.untrusted": "The author's certificate does not lead to a trusted authority.",
        "cawg.x509.signature.mismatch": "The author's signature does not match what it should cover.",
        "cawg.x509.signature.outside_validity": "The author's certificate was not valid when it signed.",
        "claim.cbor.invalid": "The signed claim is damaged and cannot be decoded.",
        "claim.hardBindings.missing": "Nothing in the manifest ties it to the picture's bytes.",
        "claim.malformed": "The signed claim is damaged.",
        "claim.missing": "The signed claim is missing from the manifest.",
        "claim.multiple": "The manifest holds more than one claim.",
        "claim.required.missing": "The signed claim lacks a field that it must have.",
        "claimSignature.mismatch": "The signature does not match the claim: the manifest was changed after signing.",
        "claimSignature.missing": "The signature is missing from the manifest.",
        "claimSignature.outsideValidity": "The certificate was not valid at the time of signing.",
        "general.error": "The manifest could not be checked in full.",
        "hashedURI.mismatch": "Something that the manifest refers to was changed after signing.",
        "hashedURI.missing": "Something that the manifest refers to is missing.",
        "ingredient.claimSignature.mismatch": "The signature of an ingredient is not the one that was recorded.",
        "ingredient.claimSignature.missing": "The signature of an ingredient is missing.",
        "ingredient.hashedURI.mismatch": "The manifest of an ingredient is not the one that was recorded.",
        "ingredient.manifest.mismatch": "An ingredient's manifest is not the recorded one: it was changed or swapped.",
        "ingredient.manifest.missing": "The manifest of an ingredient is missing.",
        "ingredient.unknownProvenance": "An ingredient carried no manifest.",
        "manifest.compressed.invalid": "The compressed manifest could not be unpacked.",
        "manifest.inaccessible": "The manifest is kept elsewhere and was not fetched.",
        "manifest.limit": "There are more manifests or ingredients than are looked at; the rest was left unread.",
        "manifest.loop": "An ingredient refers back to a manifest that it is part of.",
        "manifest.malformed": "The manifest store is damaged and cannot be read.",
        "manifest.multipleParents": "The manifest has more than one parent.",
        "manifest.padding.mismatch": "The empty space after the signature, which nothing protects, was written to.",
        "manifest.timestamp.invalid": "A manifest that should hold only a time stamp holds more.",
        "manifest.timestamp.wrongParents": "A manifest that should time-stamp one parent has none or several.",
        "manifest.unknownProvenance": "A manifest of a kind not known here was not read.",
        "manifest.unreadable": "The file could not be taken apart, so its manifest was not checked.",
        "manifest.unreferenced": "The file holds a manifest that nothing refers to; what it says does not count.",
        "manifest.update.invalid": "An update manifest holds statements that are not allowed in it.",
        "manifest.update.wrongParents": "An update manifest has no parent or several.",
        "signingCredential.expired": "The signer's certificate has expired, and no trusted time stamp is older.",
        "signingCredential.invalid": "The signer's certificate is not fit for signing claims.",
        "signingCredential.ocsp.inaccessible": "Whether the signer's certificate was revoked could not be found out.",
        "signingCredential.ocsp.revoked": "The signer's certificate was revoked.",
        "signingCredential.ocsp.unknown": "The issuer does not know whether the signer's certificate was revoked.",
        "signingCredential.untrusted": "The signer is unknown: no authority trusted here vouches for its certificate.",
        "timeOfSigning.outsideValidity": "The claimed time of signing is outside the certificate's validity.",
        "timeStamp.malformed": "The time stamp is damaged.",
        "timeStamp.mismatch": "The time stamp belongs to something else.",
        "timeStamp.outsideValidity": "The time stamp lies outside the validity of its certificate.",
        "timeStamp.untrusted": "The time-stamp authority is unknown; the time of signing is not vouched for.",
    }
)

TAMPER_ENDINGS = (".mismatch", ".malformed", ".missing")
APART = ("cawg.", "timeStamp.", "signingCredential.")
"""Families that judge an author, a time stamp or a signer, not whether the signed bytes still match."""

SIGNER = ("signingCredential.", "claimSignature.outsideValidity", "timeOfSigning.")
"""Families that belong to the second axis: who signed."""

SILENT = frozenset({"signingCredential.ocsp.skipped", "ingredient.unknownProvenance", "manifest.unreferenced"})
"""Informational codes that are no problem, or that are told elsewhere with more detail."""


def explain(code: str) -> str:
    """What a validation code means, in one sentence; an unknown code is shown as it is.

    >>> explain("claimSignature.missing")
    'The signature is missing from the manifest.'
    >>> explain("x.new")
    'The validator reports x.new.'
    """
    return EXPLANATIONS.get(code, f"The validator reports {code}.")


def problem(code: str, where: str = "", detail: str = "") -> Problem:
    """A `Problem` for a code, with what the validator adds in ``detail``."""
    return Problem(code, f"{explain(code)} ({detail})" if detail else explain(code), where)


def means_tampering(code: str) -> bool:
    """Whether a failure of this code shows that signed bytes no longer match.

    >>> means_tampering("assertion.dataHash.mismatch"), means_tampering("signingCredential.expired")
    (True, False)
    """
    return code.endswith(TAMPER_ENDINGS) and not code.startswith(APART)


def concerns_signer(code: str) -> bool:
    """Whether a failure of this code belongs to the second axis: who signed, and when.

    >>> concerns_signer("signingCredential.untrusted")
    True
    """
    return code.startswith((*SIGNER, "cawg.", "timeStamp."))
