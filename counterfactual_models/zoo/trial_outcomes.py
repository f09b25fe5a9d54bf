"""Which outcomes of the periodontal trial are measured: name, column, unit, kind of reading.

The codebook's columns after randomisation, without those that hardly anybody has (HIV, too much
amniotic fluid, corticosteroids), those of the therapy itself (its hours, its anaesthesia), and
two that repeat others (first missed visit, age at the first serious adverse event).
"""

from dataclasses import dataclass

__all__ = ["OUTCOMES", "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """One thing that was recorded after randomisation.

    Parameters
    ----------
    name
        As measured in the world.
    column
        In the table.
    group
        ``gums``, ``bacteria``, ``blood``, ``birth``, ``pregnancy``, ``care`` or ``recording``.
    label
        In words, with units.
    before
        Column with the same thing before randomisation, if there is one that most women have.
    kind
        How the column is read: ``number``, ``yes``, ``detected`` (above the assay's limit),
        ``recorded`` (whether there is an entry at all), ``live`` or ``age``.
    """

    name: str
    column: str
    group: str
    label: str
    before: str | None = None
    kind: str = "number"


_GUMS = {
    "gingival_index": ("GE", "gingival index, 0 to 3"),
    "bleeding": (".BOP", "sites that bleed on probing, %"),
    "pocket_depth": ("PD.avg", "mean pocket depth, mm"),
    "pockets_4mm": (".PD.4", "sites with pockets of 4 mm or more, %"),
    "pockets_5mm": (".PD.5", "sites with pockets of 5 mm or more, %"),
    "attachment_loss": ("CAL.avg", "mean clinical attachment loss, mm"),
    "attachment_loss_2mm": (".CAL.2", "sites with attachment loss of 2 mm or more, %"),
    "attachment_loss_3mm": (".CAL.3", "sites with attachment loss of 3 mm or more, %"),
    "calculus": ("Calc.I", "calculus index, 0 to 3"),
    "plaque": ("Pl.I", "plaque index, 0 to 3"),
}
_BACTERIA = {
    "a_actinomycetemcomitans": "AA",
    "p_gingivalis": "PG",
    "t_denticola": "TD",
    "t_forsythia": "TF",
    "p_intermedia": "PI",
    "c_rectus": "CR",
    "f_nucleatum": "FN",
    "seven_species": "S7",
}
_BLOOD = {
    **{f"antibodies_{name}": f"O{code}" for name, code in list(_BACTERIA.items())[:-1]},
    "c_reactive_protein": "OCRP",
    "prostaglandin_e2": "OPGE2",
    "metalloproteinase_9": "OMMP9",
    "fibrinogen": "OFIBRIN",
    "endotoxin_category": "ETXU_CAT",
}
_CYTOKINES = {"il1_beta": "O1B", "il6": "O6", "il8": "O8", "tnf_alpha": "OTNF"}
_MEDICINES = {
    "anti_inflammatories": "Anti.inf",
    "antibiotics": "Antibio",
    "vaginosis_treatment": "Bac.vag",
}
_PREGNANCY = {
    "bacterial_vaginosis": "Bact.vag",
    "gestational_diabetes": "Gest.diab",
    "too_little_amniotic_fluid": "Oligo",
    "gonorrhea": "Gonorrhea",
    "chlamydia": "Chlamydia",
    "strep_b": "Strep.B",
    "injury": "Traumatic.Inj",
    "urinary_infection": "UTI",
    "preeclampsia": "Pre.eclamp",
    "serious_adverse_event": "Any.SAE.",
}
_RECORDED = {
    "gums_visit3": "V3.GE",
    "gums_visit5": "V5.GE",
    "calculus_visit5": "V5.Calc.I",
    "bacteria_visit5": "V5.DNA",
    "blood_visit5": "OAA5",
    "medicines_visit3": "V3.Antibio",
    "medicines_visit5": "V5.Antibio",
    "apgar": "Apgar1",
    "strep_b": "Strep.B",
}


def _table() -> tuple[Outcome, ...]:
    rows = [
        Outcome(f"{name}_visit{v}", f"V{v}.{code}", "gums", f"{label}, visit {v}", f"BL.{code}")
        for v in (3, 5)
        for name, (code, label) in _GUMS.items()
    ]
    rows += [Outcome("sites_progressed", "N.PAL.sites", "gums", "sites that lost 3 mm or more")]
    rows += [
        Outcome("bacterial_dna_visit5", "V5.DNA", "bacteria", "DNA in plaque, ng/mL"),
        Outcome("bacteria_visit5", "V5.Univ", "bacteria", "all bacteria, count"),
    ]
    for name, code in _BACTERIA.items():
        words = name.replace("_", " ")
        rows += [
            Outcome(f"{name}_visit5", f"V5.{code}", "bacteria", f"{words}, count"),
            Outcome(f"{name}_share_visit5", f"V5..{code}", "bacteria", f"{words}, % of DNA"),
        ]
    for name, code in _BLOOD.items():
        words = name.replace("_", " ") + " in serum, visit 5"
        rows += [Outcome(f"{name}_visit5", f"{code}5", "blood", words, f"{code}1")]
    for name, code in _CYTOKINES.items():
        words = name.replace("_", " ") + " above the assay's limit, visit 5"
        rows += [
            Outcome(f"{name}_detected_visit5", f"{code}5", "blood", words, f"{code}1", "detected")
        ]
    rows += [
        Outcome("birthweight", "Birthweight", "birth", "birthweight, g"),
        Outcome(
            "gestational_age",
            "GA.at.outcome",
            "birth",
            "age at end of pregnancy, days",
            kind="age",
        ),
        Outcome("preterm", "Preg.ended...37.wk", "birth", "ended before week 37", kind="yes"),
        Outcome("live_birth", "Birth.outcome", "birth", "live birth", kind="live"),
        Outcome("apgar_1_minute", "Apgar1", "birth", "Apgar score at 1 minute, 0 to 10"),
        Outcome("apgar_5_minutes", "Apgar5", "birth", "Apgar score at 5 minutes, 0 to 10"),
        Outcome("anomaly", "Fetal.congenital.anomaly", "birth", "congenital anomaly", kind="yes"),
    ]
    rows += [
        Outcome(name, code, "pregnancy", name.replace("_", " "), kind="yes")
        for name, code in _PREGNANCY.items()
    ]
    rows += [
        Outcome(
            f"{name}_visit{v}",
            f"V{v}.{code}",
            "care",
            f"{name.replace('_', ' ')} taken before visit {v}",
            f"BL.{code}",
        )
        for v in (3, 5)
        for name, code in _MEDICINES.items()
    ]
    rows += [
        Outcome("visits_attended", "X..Vis.Att", "care", "visits attended after baseline, 0 to 5"),
        Outcome("visits_eligible", "X..Vis.Elig", "care", "visits she was eligible for, 0 to 5"),
        Outcome(
            "dental_care_completed",
            "Completed.EDC",
            "care",
            "essential dental care completed, of those in need",
            kind="yes",
        ),
        Outcome("extractions", "N.extractions", "care", "teeth extracted, of those in need"),
        Outcome("restorations", "N.perm.restorations", "care", "fillings, of those in need"),
    ]
    rows += [
        Outcome(
            f"recorded_{name}",
            code,
            "recording",
            f"{name.replace('_', ' ')}: recorded",
            kind="recorded",
        )
        for name, code in _RECORDED.items()
    ]
    return tuple(rows)


OUTCOMES: tuple[Outcome, ...] = _table()
"""All outcomes, in the order in which they are measured."""
