"""Tables to tables: co-occurrence, lobes, spectra and crystals live here."""
