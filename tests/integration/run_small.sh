#!/bin/bash
# The small campaign, kept: run_small.sh PROGRAM STORE OUT.
. "$(dirname "$0")/../support/campaign.sh"
run "$2" "$3"
