"""Fitting the decoders that are kept beside a store of states."""

import json

from probekit.atomic_files import write_json
from probekit.probing.decoders import fit_decoders
from probekit.probing.feature_store import FeatureStore
from probekit.probing.probe_experiment import ArmData, arm_data, goals_of, inputs_of
from probekit.probing.probe_settings import TRAINED, ProbeSettings
from probekit.probing.readout_heads import ReadoutHead, head_path
from probekit.probing.sites import Site
from probekit.probing.splits import split_prompts
from probekit.probing.targets import ProbeTarget
from probekit.user_files.json_files import json_holds


def keep_head(store: FeatureStore, settings: ProbeSettings, target: ProbeTarget) -> None:
    """Fit the middle site's decoders and write them beside the store, unless they are there.

    Args:
        store: captured states.
        settings: horizons, decoder and budget.
        target: a picture.
    """
    path = head_path(store.folder, target.name)
    record = path.with_suffix(".json")
    facts = {"videos": len(store.keys), "settings": json.loads(json.dumps(settings._asdict()))}
    if path.is_file() and json_holds(record, facts):
        return
    data = arm_data(store, target, split_prompts([key.prompt_id for key in store.keys], settings.seed))
    head = fit_head(data, target, settings, store.sites[len(store.sites) // 2])
    head.save(path, store.card.generation.checkpoint_hash)
    write_json(record, facts)


def fit_head(data: ArmData, target: ProbeTarget, settings: ProbeSettings, site: Site) -> ReadoutHead:
    """The decoders of one site that can be kept: those of the first seed, for all horizons.

    Args:
        data: what the probes share.
        target: a picture.
        settings: horizons, decoder and budget.
        site: where.
    """
    by_token = settings.decoder == "token"
    made, (train, validation, test) = inputs_of(data, data.store.states(site, TRAINED), settings, by_token)
    goals = goals_of(data, target, data.values, settings, by_token)
    budget = settings.control_budget._replace(batch=settings.budget.batch * goals.rows_per_chunk)
    fitted = fit_decoders(train, goals.train, validation, goals.validation, test[:1], budget)
    return ReadoutHead.of(site, settings.horizons, made, fitted.stack, goals)
