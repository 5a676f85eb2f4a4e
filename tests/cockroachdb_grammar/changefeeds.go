package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/cockroachdb-parser/pkg/sql/sem/tree"
)

// The parser takes any word as an option. These are those of CREATE CHANGEFEED in v25.4's documentation, without the
// deprecated ones; a nil list of values means any.
var options = map[string][]string{
	"avro_schema_prefix":                    nil,
	"compression":                           {"gzip", "zstd"},
	"confluent_schema_registry":             nil,
	"cursor":                                nil,
	"diff":                                  {},
	"encode_json_value_null_as_object":      {},
	"end_time":                              nil,
	"enriched_properties":                   nil,
	"envelope":                              {"wrapped", "bare", "key_only", "row", "enriched"},
	"execution_locality":                    nil,
	"extra_headers":                         nil,
	"format":                                {"json", "avro", "csv", "parquet", "protobuf"},
	"full_table_name":                       {},
	"gc_protect_expires_after":              nil,
	"headers_json_column_name":              nil,
	"ignore_disable_changefeed_replication": {},
	"initial_scan":                          {"yes", "no", "only"},
	"kafka_sink_config":                     nil,
	"key_column":                            nil,
	"key_in_value":                          {},
	"lagging_ranges_polling_interval":       nil,
	"lagging_ranges_threshold":              nil,
	"metrics_label":                         nil,
	"min_checkpoint_frequency":              nil,
	"mvcc_timestamp":                        {},
	"on_error":                              {"pause", "fail"},
	"resolved":                              nil,
	"schema_change_events":                  {"default", "column_changes"},
	"schema_change_policy":                  {"backfill", "nobackfill", "stop"},
	"split_column_families":                 {},
	"topic_in_value":                        {},
	"unordered":                             {},
	"updated":                               {},
	"virtual_columns":                       {"null", "omitted"},
	"webhook_auth_header":                   nil,
	"webhook_client_timeout":                nil,
	"webhook_sink_config":                   nil,
}

var acks = []string{"ONE", "NONE", "ALL"}
var compressions = []string{"NONE", "GZIP", "SNAPPY", "LZ4", "ZSTD"}

// checkChangefeed says what a server would refuse in the options of a changefeed.
func checkChangefeed(feed *tree.CreateChangefeed) error {
	given := map[string]string{}
	for _, option := range feed.Options {
		name, value := string(option.Key), ""
		if text, ok := option.Value.(*tree.StrVal); ok {
			value = text.RawString()
		}
		allowed, known := options[name]
		if !known {
			return fmt.Errorf("unknown changefeed option %q", name)
		}
		if allowed != nil && !slices.Contains(allowed, value) && !(value == "" && len(allowed) == 0) {
			return fmt.Errorf("changefeed option %s = %q, expected one of %q", name, value, allowed)
		}
		given[name] = value
	}
	if err := checkTogether(given); err != nil {
		return err
	}
	if config, ok := given["kafka_sink_config"]; ok {
		return checkKafka(config)
	}
	return nil
}

// checkTogether knows which options exclude or need each other.
func checkTogether(given map[string]string) error {
	has := func(name string) bool { _, ok := given[name]; return ok }
	if has("resolved") && has("unordered") {
		return fmt.Errorf("changefeed options resolved and unordered exclude each other")
	}
	if has("key_column") && !has("unordered") {
		return fmt.Errorf("changefeed option key_column needs unordered")
	}
	if given["envelope"] == "key_only" && (has("key_in_value") || has("topic_in_value")) {
		return fmt.Errorf("a key_only changefeed has no value to put a key or a topic in")
	}
	return checkOften(given)
}

// checkOften compares resolved with min_checkpoint_frequency, which is 30 s unless set.
func checkOften(given map[string]string) error {
	if given["resolved"] == "" {
		return nil
	}
	resolved, err := time.ParseDuration(given["resolved"])
	if err != nil {
		return fmt.Errorf("changefeed option resolved: %w", err)
	}
	checkpoint := 30 * time.Second
	if text, ok := given["min_checkpoint_frequency"]; ok {
		if checkpoint, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("changefeed option min_checkpoint_frequency: %w", err)
		}
	}
	if resolved < checkpoint {
		return fmt.Errorf("resolved = %s comes no more often than min_checkpoint_frequency = %s", resolved, checkpoint)
	}
	return nil
}

type flush struct {
	Bytes, MaxMessages, Messages int
	Frequency                    string
}

type kafka struct {
	ClientID, Compression, RequiredAcks, Version string
	CompressionLevel                             int
	Flush                                        flush
}

func checkKafka(text string) error {
	config := kafka{Compression: "NONE", RequiredAcks: "ONE"}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&config); err != nil {
		return fmt.Errorf("kafka_sink_config: %w", err)
	}
	if !slices.Contains(acks, config.RequiredAcks) || !slices.Contains(compressions, config.Compression) {
		return fmt.Errorf("kafka_sink_config: RequiredAcks %q, Compression %q", config.RequiredAcks, config.Compression)
	}
	if (config.Flush.Messages > 0 || config.Flush.Bytes > 0) && config.Flush.Frequency == "" {
		return fmt.Errorf("kafka_sink_config: Flush needs a Frequency, or a last message may wait for ever")
	}
	return nil
}
