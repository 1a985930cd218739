#!/usr/bin/env bash
# Draw the images of a profile as a Slurm array, a GPU each:
#
#   sbatch --array=0-15 slurm/generate.sh paper
#   sbatch --array=0-3 slurm/generate.sh my.yaml "generator.strength=0.8"
#
# from the repository's folder, after `make setup` on a node that reaches the packages, and with the checkpoint in the
# hub's cache or a folder. A job that is killed or preempted may simply be submitted again: it makes what is missing.
#SBATCH --job-name=d3s-generate
#SBATCH --gpus=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=24G
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --output=slurm-%x-%A-%a.log
set -euo pipefail

profile=${1:?give a profile: sbatch --array=0-15 slurm/generate.sh paper}
first=${SLURM_ARRAY_TASK_MIN:-0}
.venv/bin/python -m d3s_utils generate --profile "$profile" --set "${2:-}" \
  --shard $((${SLURM_ARRAY_TASK_ID:-0} - first)) --of "${SLURM_ARRAY_TASK_COUNT:-1}"
