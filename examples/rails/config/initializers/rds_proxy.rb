require "active_record/connection_adapters/postgresql_adapter"

# Keeps Rails 6.1 to 8.1 from sending at each connect what the database sets already.
module WithoutSettings
  SETTINGS = [
    "SET client_min_messages TO 'warning'",
    "SET standard_conforming_strings = on",
    "SET intervalstyle = iso_8601",
    "SET SESSION timezone TO 'UTC'"
  ].freeze

  def async_exec(sql, *)
    SETTINGS.include?(sql) ? super("") : super
  end
end

PG::Connection.prepend(WithoutSettings)
