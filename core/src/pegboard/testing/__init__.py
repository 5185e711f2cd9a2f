"""What plugin authors test with: conformance kits, fakes, a virtual clock."""
