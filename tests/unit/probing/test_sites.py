"""Addresses of captured states."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.errors import UserError
from probekit.probing.sites import DEFAULT_DEPTHS, Site, check_sites, sites_at

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
    assert [site.block for site in sites_at(DEFAULT_DEPTHS, 30, [None])] == [9, 15, 24]
    assert sites_at([0.0, 0.1], 2, [0, None]) == (Site(0, 0), Site(0, None))
    with pytest.raises(UserError, match=r"1\.0"):
        sites_at([1.0], 8, [0])


def test_a_long_text_that_names_no_site_is_shown_cut() -> None:
    with pytest.raises(UserError) as refused:
        Site.parse("x" * 200)
    assert refused.value.problem == f"{'x' * 80!r} is not the name of a site."


@pytest.mark.parametrize(("site", "module", "name"), [
    (Site(3, 1), "blocks.3", "blocks.3@step1"),
    (Site(0, 0, "attn1"), "blocks.0.attn1", "blocks.0.attn1@step0"),
    (Site(12, None), "blocks.12", "blocks.12@commit"),
])  # fmt: skip
def test_a_site_is_named_by_its_module_and_its_pass(site: Site, module: str, name: str) -> None:
    assert (site.module, site.name) == (module, name)


def test_three_near_names_of_blocks_are_offered_and_the_steps_that_there_are() -> None:
    modules = [f"blocks.{block}.{stream}" for block in range(3) for stream in ("attn1", "attn2")] + ["blocksmith"]
    with pytest.raises(UserError) as refused:
        check_sites([Site(1, 0, "attn3")], modules, steps=2)
    offered = refused.value.fix.removeprefix("Use ").removesuffix(" or another that it has.").split(", ")
    assert len(offered) == 3
    assert {"blocks.1.attn1", "blocks.1.attn2"} < set(offered)
    with pytest.raises(UserError, match="no module") as hopeless:
        check_sites([Site(1, 0, "zzzzzzzzzzzzzzzzzzzzzzzzz")], modules, steps=2)
    assert hopeless.value.fix.count("blocks.") == 3
    with pytest.raises(UserError) as later:
        check_sites([Site(1, 2, "attn1")], modules, steps=2)
    assert later.value.fix == "Use step0, step1 or commit."
    check_sites([Site(1, 1, "attn1"), Site(1, None, "attn1")], modules, steps=2)


def test_depths_are_from_0_on_and_below_1() -> None:
    assert sites_at([0.0, 0.999], 10, [1]) == (Site(0, 1), Site(9, 1))
    assert sites_at([0.1, 0.19, 0.5], 10, [1, None]) == (Site(1, 1), Site(1, None), Site(5, 1), Site(5, None))
    for wrong in (-0.01, 1.0, 2.5):
        with pytest.raises(UserError, match=rf"Relative depth {wrong} is not in \[0, 1\)"):
            sites_at([0.5, wrong], 8, [0])
