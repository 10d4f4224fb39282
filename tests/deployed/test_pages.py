"""The pages under the path of a stage, where every URL must be relative."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import WAIT_MS, Witness
from tests.browser.test_reference import executed, opened


@pytest.mark.parametrize("path", ["/_aws/execute-api/{}/local/", "/restapis/{}/local/_user_request_/"])
def test_the_gallery_and_the_reference_work_under_the_path_of_a_stage(
    address: str, browser: Browser, path: str
) -> None:
    host, api = urlsplit(address).netloc, urlsplit(address).path.split("/")[3]
    root = f"http://{host}{path.format(api)}"
    witness = Witness()
    page = browser.new_page()
    page.set_default_timeout(WAIT_MS)
    witness.watch(page)

    with page.expect_response(lambda answer: urlsplit(answer.url).path.endswith("/images")) as listed:
        page.goto(root)
    expect(page.get_by_role("heading", name="Images", exact=True)).to_be_visible()
    assert (listed.value.status, listed.value.url.startswith(f"{root}images?")) == (200, True)

    page.goto(f"{root}docs")
    assert executed(opened(page, "Check the health of the service")) == 200
    page.get_by_role("link", name="Gallery", exact=True).click()
    expect(page.get_by_role("heading", name="Images", exact=True)).to_be_visible()
    assert page.url == root

    assert witness.errors == []
    # LocalStack serves the pictures of S3 at the same host.
    own = [each for each in witness.requests if urlsplit(each.url).netloc == host and each.resource_type != "image"]
    assert all(each.url.startswith(root) for each in own)
    page.close()
