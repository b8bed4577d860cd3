-- The attempts of a batch are found without reading all that a campaign ever made: this is asked before each dial.

CREATE INDEX attempts_by_batch ON campaigns.attempts (campaign_id, batch_no) WHERE batch_no > 0;
