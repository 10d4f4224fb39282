"""Whether the service carries a hundred million images on AWS, computed from assumptions and from limits of AWS."""
