"""CT volumes and bone-like shapes made by code, with a known reference: for training, studies, tests and teaching."""
