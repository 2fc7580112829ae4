"""Leads bear the numbers that DICOM knows them by."""

from pydicom.sr.codedict import codes

from liteheart.leads import NAMES, numbered


def test_numbers_and_meanings_are_those_of_dicoms_own_table():
    table = {code.value: code.meaning for code in codes.cid3001.concepts.values()}
    assert len(NAMES) == 54, "no two leads share a number"
    for number, name in NAMES.items():
        assert numbered(name) == (number, table[f"2:{number}"])
    assert numbered("nobody's") == (0, table["2:0"])


def test_a_lead_is_known_however_it_is_written():
    assert numbered("AVR") == numbered("avr") == numbered("aVR") == (62, "aVR, augmented voltage, right")
    assert numbered("MLII") == (126, "Modified limb lead")
    assert [numbered(name)[0] for name in ("MLI", "MLIII", "V", "V10", "V1R", "ECG", "")] == [0] * 7
