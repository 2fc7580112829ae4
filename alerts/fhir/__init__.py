"""What the ward knows, as FHIR resources that can only be read: R4, R5, and alarms in the shape of the R6 ballot."""
