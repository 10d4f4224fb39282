"""Run the command line: python -m images_api_client."""

from images_api_client.cli import main

main()
