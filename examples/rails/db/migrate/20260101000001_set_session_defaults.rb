class SetSessionDefaults < ActiveRecord::Migration[6.1]
  SETTINGS = {client_min_messages: "warning", intervalstyle: "iso_8601", timezone: "UTC"}

  def up
    SETTINGS.each { |name, value| execute "#{alter} SET #{name} TO '#{value}'" }
  end

  def down
    SETTINGS.each_key { |name| execute "#{alter} RESET #{name}" }
  end

  def alter
    "ALTER DATABASE #{connection.quote_table_name(connection.current_database)}"
  end
end
