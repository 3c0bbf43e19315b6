"""Write the demo's model card from what was measured."""

import json
from pathlib import Path
from string import Template
from typing import Any

_TEMPLATE = Path(__file__).with_name("MODEL_CARD.template.md")


def write(out: Path) -> None:
    """Fill the template with metrics.json and the model's configuration."""
    metrics = json.loads((out / "metrics.json").read_text())
    config = json.loads((out / "model" / "config.json").read_text())
    saes, model = metrics["saes"], metrics["model"]
    d_sae = sorted({sae["d_sae"] for sae in saes})
    values = {
        "n_parameters": f"{model['n_parameters'] / 1e6:.1f} million",
        "n_layers": config["num_hidden_layers"],
        "last_layer": config["num_hidden_layers"] - 1,
        "d_model": config["hidden_size"],
        "n_heads": config["num_attention_heads"],
        "n_kv_heads": config["num_key_value_heads"],
        "d_mlp": config["intermediate_size"],
        "vocabulary": f"{config['vocab_size']:,}",
        "context": f"{config['max_position_embeddings']:,}",
        "n_tokens": f"{model['n_tokens'] / 1e6:.1f} million",
        "minutes": round(model["minutes"]),
        "total_minutes": round(
            model["minutes"] + metrics["activation_minutes"] + metrics["sae_minutes"] + 5
        ),
        "n_sae_tokens": f"{metrics['n_activations'] / 1e6:.1f} million",
        "n_measured": f"{saes[0]['all']['n_tokens']:,}",
        "d_sae": " or ".join(f"{n:,}" for n in d_sae),
        "validation_table": _validation_table(metrics["validation"]),
        "sae_table": _sae_table(saes),
    }
    (out / "MODEL_CARD.md").write_text(Template(_TEMPLATE.read_text()).substitute(values))


def _validation_table(validation: dict[str, dict[str, float]]) -> str:
    lines = ["| texts | document type | loss |", "|---|---|---|"]
    for group, losses in validation.items():
        lines += [f"| {group} | {subset} | {loss:.2f} |" for subset, loss in losses.items()]
        lines.append(f"| {group} | **mean of the types** | **{_mean(losses):.2f}** |")
    return "\n".join(lines)


def _mean(losses: dict[str, float]) -> float:
    return sum(losses.values()) / len(losses)


def _sae_table(saes: list[dict[str, Any]]) -> str:
    lines = [
        "| layer | features | k | L0 | explained variance | own | dead | block share | own |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for sae in saes:
        every, own = sae["all"], sae["own"]
        cells = [
            str(sae["layer"]),
            f"{sae['d_sae']:,}",
            f"{sae['k']:g}",
            f"{every['l0']:.1f}",
            f"{every['explained_variance']:.3f}",
            f"{own['explained_variance']:.3f}",
            f"{every['n_dead']} ({every['n_dead'] / sae['d_sae']:.1%})",
            f"{every['block_share']:.1%}",
            f"{own['block_share']:.1%}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
