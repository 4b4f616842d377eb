"""The bundled prices of Fargate and EC2: dated, with their sources, and honest about whose they are."""

from __future__ import annotations

import re

import pytest

from lambdatune.pricing.always_on import FARGATE_SIZES, as_of, machines, sources
from lambdatune.pricing.table import regions

OWN = ["us-east-1", "eu-west-1", "eu-central-1", "ap-southeast-1", "ap-northeast-1"]
ARCHITECTURES = ["x86_64", "arm64"]


def machine(region: str, architecture: str, name: str):
    (found,) = [each for each in machines(region, architecture) if each.name == name]
    return found


def test_the_table_has_a_date_and_says_where_each_figure_is_from() -> None:
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", as_of())
    assert all(each["url"].startswith("https://aws.amazon.com/") and each["note"] for each in sources())
    assert {each["of"].split(",")[0] for each in sources()} == {"Fargate", "EC2"}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("region", sorted(regions()))
def test_every_region_that_charges_dollars_has_both_services_or_a_stand_in(region, architecture) -> None:
    found = machines(region, architecture)
    if region.startswith("cn-"):
        assert found == ()
        return
    assert {each.service for each in found} == {"Fargate", "EC2"}
    assert all(0.005 < each.hour / (each.vcpus + each.memory_gb / 9) < 0.08 for each in found)
    whose = {each.region for each in found}
    if region in OWN:
        assert whose == {region}


def test_prices_are_the_published_ones() -> None:
    # Fargate: 0.5 x $0.04048 + 1 x $0.004445 = $0.024685; 4 x $0.04045 + 8 x $0.00442 = $0.19716.
    assert machine("us-east-1", "x86_64", "0.5 vCPU 1 GB").hour == pytest.approx(0.024685)
    assert machine("ap-northeast-1", "arm64", "4 vCPU 8 GB").hour == pytest.approx(0.19716)
    assert machine("eu-central-1", "arm64", "1 vCPU 2 GB").hour == pytest.approx(0.03725 + 2 * 0.00409)
    assert machine("eu-central-1", "x86_64", "c7i.large").hour == 0.10185
    assert machine("ap-southeast-1", "arm64", "c8g.medium").hour == 0.04582


def test_a_price_that_is_missing_is_another_regions_and_says_so() -> None:
    assert machine("eu-north-1", "arm64", "1 vCPU 2 GB").region == "eu-west-1"
    assert machine("eu-north-1", "x86_64", "c7i.large").region == "eu-north-1"
    assert machine("eu-west-3", "x86_64", "c7i.large").region == "eu-west-1"
    assert machine("ap-south-1", "x86_64", "1 vCPU 2 GB").region == "ap-southeast-1"
    assert machine("sa-east-1", "arm64", "c8g.large").region == "us-east-1"
    assert machine("xx-nowhere-9", "arm64", "c8g.large").region == "us-east-1"


def test_a_task_has_a_size_that_fargate_has() -> None:
    sizes = {(each.vcpus, each.memory_gb) for each in machines("us-east-1", "x86_64") if each.service == "Fargate"}
    assert sizes == {(vcpus, memory_gb) for vcpus, choices in FARGATE_SIZES for memory_gb in choices}
    assert {(0.25, 0.5), (0.5, 4), (1, 8), (16, 120)} <= sizes
    assert not {(0.25, 4), (1, 1), (16, 16)} & sizes
