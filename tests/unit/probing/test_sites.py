"""Addresses of captured states."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.errors import UserError
from probekit.probing.sites import Site, check_sites, sites_at

STREAMS = st.sampled_from(["", "attn1", "attn2.to_q", "ffn.net.2"])


@given(st.builds(Site, st.integers(0, 999), st.none() | st.integers(0, 99), STREAMS))
def test_a_site_comes_back_from_its_name(site: Site) -> None:
    assert Site.parse(site.name) == site


@pytest.mark.parametrize(
    "name", ["", "blocks.3", "blocks.3@", "blocks.-1@commit", "blocks.3@step", "../x@commit", "blocks.²@commit"]
)
def test_other_texts_name_no_site(name: str) -> None:
    with pytest.raises(UserError, match=r"blocks\.3@step1"):
        Site.parse(name)


def test_sites_that_a_model_lacks_are_refused_with_the_nearest_names() -> None:
    modules = ["blocks.0", "blocks.0.attn1", "blocks.0.ffn", "blocks.1", "norm_out"]
    check_sites([Site(0, None), Site(1, 3)], modules, steps=4)
    with pytest.raises(UserError, match=r"no module 'blocks\.0\.atn1'.*Use blocks\.0\.attn1"):
        check_sites([Site(0, 0, "atn1")], modules, steps=4)
    with pytest.raises(UserError, match="4 denoising steps"):
        check_sites([Site(0, 4)], modules, steps=4)
    for sites in ([], [Site(0, 0), Site(0, 0)]):
        with pytest.raises(UserError, match="one or more different ones"):
            check_sites(sites, modules, steps=4)


def test_depths_become_blocks() -> None:
    assert sites_at([0.3, 0.5, 0.8], 8, [3]) == (Site(2, 3), Site(4, 3), Site(6, 3))
    assert [site.block for site in sites_at([0.3, 0.5, 0.8], 30, [None])] == [9, 15, 24]
    assert sites_at([0.0, 0.1], 2, [0, None]) == (Site(0, 0), Site(0, None))
    with pytest.raises(UserError, match=r"1\.0"):
        sites_at([1.0], 8, [0])
