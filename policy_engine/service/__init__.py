"""The served engine without HTTP: what decides, records and answers, for the API and the console alike."""
