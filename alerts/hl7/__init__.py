"""HL7 v2 for systems that do not speak FHIR: alarms as IHE PCD-04, heart rate and findings as PCD-01, over MLLP."""
