"""What the card of a shipped student says beside its figures: data, licences, use, limits."""

from typing import Any, Final

PTBXL: Final = {
    "name": "PTB-XL, a fifth of it, folds 1-8, 100 Hz",
    "licence": "CC BY 4.0",
    "attribution": "Wagner P, Strodthoff N, Bousseljot R, Samek W, Schaeffter T. PTB-XL, a large publicly available "
    "electrocardiography dataset (version 1.0.3). PhysioNet 2022, doi:10.13026/kfzx-aw45; Scientific Data 7:154, 2020",
    "changes": "lead I (and II), 0.5-40 Hz, 100 Hz; labels only from the original statements",
}
CINC2017: Final = {
    "name": "PhysioNet/CinC Challenge 2017, handheld single lead, parts 0-3 to train and 4-5 to test",
    "licence": "ODC-By 1.0",
    "attribution": "Clifford GD, Liu C, Moody B, Lehman L, Silva I, Li Q, Johnson A, Mark RG. AF classification from a "
    "short single lead ECG recording. Computing in Cardiology 44, 2017",
    "changes": "10 s windows, 0.5-40 Hz, 100 Hz; only atrial fibrillation or not is learned; noisy ones left out",
}
ABOUT: Final[dict[str, Any]] = {
    "licence": "Apache-2.0",
    "splits": "by patient: folds 1-6 train, 7 temperature, thresholds and choice of seed, 8 test",
    "not_a_medical_device": True,
    "intended_use": "research and development of remote monitoring; a reading that a clinician checks",
    "not_for": "diagnosis, or any decision about a patient that nobody checks; lethal rhythms are the beat path's",
    "limits": [
        "trained on 10 s resting ECGs of one hospital; a wearable in motion is noisier, see quality",
        "axis, precordial and many ischaemic changes are not in lead I; see lead_i_visible in the conditions",
        "thresholds of rare conditions rest on five to fifteen positives",
        "no paced, paediatric or exercise recordings to speak of; never validated in a clinic",
    ],
}
